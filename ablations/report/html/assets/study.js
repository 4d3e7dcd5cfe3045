/* One round for each question, with all pairs in random order and on random sides; answers stay in the browser until saved. */

const given = data(), questions = Object.entries(given.questions), $ = (id) => document.getElementById(id);
const total = questions.length * given.pairs.length;
let rater = "", kept = null;

function random() {
  return crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
}

function shuffled(list) {
  const out = [...list];
  for (let k = out.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [out[k], out[other]] = [out[other], out[k]];
  }
  return out;
}

/* Browsers may refuse storage to a page opened from disk; answers are then lost when it is closed. */
function stored(value) {
  const name = `headtohead ${given.study} ${rater}`;
  try {
    if (value) localStorage.setItem(name, JSON.stringify(value));
    return JSON.parse(localStorage.getItem(name) || "null");
  } catch {
    return null;
  }
}

function newSession() {
  const rounds = questions.map(([question]) => shuffled(given.pairs).map((pair) => ({ question, pair: pair.id, sides: shuffled(pair.pictures) })));
  return { order: rounds.flat(), chosen: [] };
}

function begin() {
  rater = $("rater").value.trim();
  if (!rater) {
    $("message").textContent = "Please enter a name first.";
    return $("rater").focus();
  }
  $("message").textContent = "";
  kept = stored() || newSession();
  $("start").hidden = true;
  show(true);
}

function show(moved) {
  const at = kept.chosen.length, done = at >= total;
  $("ask").hidden = done;
  $("end").hidden = !done;
  if (done) return $("end").querySelector("h2").focus();
  const { question, pair, sides } = kept.order[at], round = questions.findIndex(([name]) => name === question);
  const within = at - round * given.pairs.length;
  $("round").textContent = `Round ${round + 1} of ${questions.length}, pair ${within + 1} of ${given.pairs.length}`;
  $("progress").value = at / total;
  $("question").textContent = questions[round][1];
  $("prompt").textContent = `“${given.pairs.find((p) => p.id === pair).prompt}”`;
  ["left", "right"].forEach((side, k) => { $(side).querySelector("img").src = given.pictures[sides[k]]; });
  $("back").disabled = at === 0;
  if (moved && within === 0) $("question").focus();
}

function choose(which) {
  if (!kept || kept.chosen.length >= total) return;
  const { sides } = kept.order[kept.chosen.length];
  kept.chosen.push(which === "tie" ? "tie" : sides[which]);
  stored(kept);
  show(true);
}

function back() {
  if (!kept || !kept.chosen.length) return;
  kept.chosen.pop();
  stored(kept);
  show(false);
}

/* The content of `answers/*.json`: the chosen images by name, without designs. */
function answers() {
  const lines = kept.chosen.map((chosen, k) => ({ pair: kept.order[k].pair, question: kept.order[k].question, chosen, left: kept.order[k].sides[0] }));
  return { study: given.study, rater, answers: lines };
}

function save() {
  const file = new Blob([`${JSON.stringify(answers(), null, 1)}\n`], { type: "application/json" });
  const name = `${rater.replaceAll(/[^\p{L}\p{N}_-]+/gu, "_").slice(0, 40)}-${given.study}.json`;
  const link = element("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  $("message").textContent = `Saved ${kept.chosen.length} of ${total} answers as ${name}.`;
}

$("begin").addEventListener("click", begin);
$("rater").addEventListener("keydown", (event) => { if (event.key === "Enter") begin(); });
$("left").addEventListener("click", () => choose(0));
$("right").addEventListener("click", () => choose(1));
$("tie").addEventListener("click", () => choose("tie"));
$("back").addEventListener("click", back);
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", save);
addEventListener("keydown", (event) => {
  const keys = { ArrowLeft: () => choose(0), ArrowRight: () => choose(1), ArrowDown: () => choose("tie"), ArrowUp: back };
  if ($("ask").hidden || event.repeat || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
