"""Foundations by name or folder, on small random checkpoints in the real formats."""

from __future__ import annotations

from pathlib import Path

import checkpoints
import pytest
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F

from headtohead.config.run_config import FoundationsConfig, QueryConfig
from headtohead.models.query_encoder import QueryEncoder
from headtohead.pretrained import language_model
from headtohead.pretrained.loading.by_name import ModelError
from headtohead.pretrained.networks import clip_decoder, image_encoders, vae

CAPTIONS = ["a red circle", "a caption that is a good deal longer than the other one, naïvely 漢字", "ab"]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.llama(tmp_path_factory.mktemp("llama"))


def test_a_turn_ends_where_the_assistant_begins(llama: Path) -> None:
    model, turns = language_model.load(str(llama), "Be kind.", 200)
    ids, mask = turns(CAPTIONS)
    texts = [turns.tokenizer.decode(row[m.bool()]) for row, m in zip(ids, mask, strict=True)]
    assert texts[0] == (
        f"<|start_header_id|>system<|end_header_id|>\n\nToday Date: {language_model.DATE}\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\na red circle<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    assert (mask.sum(1).argmax(), mask[:, 0].min()) == (1, 1)  # padded on the right
    assert model.dtype == torch.float32


@pytest.mark.parametrize("longest", [75, 80, 90])
def test_a_long_caption_loses_its_end_and_the_turn_keeps_its_own(llama: Path, longest: int) -> None:
    turns = language_model.load(str(llama), "", longest)[1]
    ids, mask = turns([CAPTIONS[0], "word " * 300])
    assert longest - 6 <= int(mask[1].sum()) <= longest
    text = turns.tokenizer.decode(ids[1][mask[1].bool()])
    assert text.endswith("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    assert "word word" in text


def test_a_template_longer_than_a_prompt_may_be_is_refused(llama: Path) -> None:
    with pytest.raises(ModelError, match=r"query\.longest=8"):
        language_model.load(str(llama), "", 8)[1](["one two three"])


@pytest.mark.parametrize("tied", [True, False])
def test_the_prompt_once_gives_the_gradients_of_the_plain_pass(tmp_path: Path, tied: bool) -> None:
    given = FoundationsConfig(language=str(checkpoints.llama(tmp_path, tied=tied)))
    config = QueryConfig(number=5, system="Be kind.", groups=2)
    model, encode = language_model.build(given, config, "cpu")
    torch.manual_seed(0)
    queries = QueryEncoder(model.double(), encode, config, trained=False).double()
    states = queries(CAPTIONS).states
    target = torch.randn_like(states)
    (own,) = torch.autograd.grad(((states - target) ** 2).sum(), [queries.queries])
    queries.trained = True
    whole = queries(CAPTIONS).states
    (plain,) = torch.autograd.grad(((whole - target) ** 2).sum(), [queries.queries])
    assert (states - whole).abs().max() < 1e-10
    assert (own - plain).abs().max() < 1e-10


def test_what_queries_cannot_train_asks_for_no_gradient(tmp_path: Path) -> None:
    given = FoundationsConfig(language=str(checkpoints.llama(tmp_path, tied=False)))
    queries = QueryEncoder(
        *language_model.build(given, QueryConfig(number=2), "cpu"), QueryConfig(number=2), trained=True
    )
    queries(CAPTIONS).states.sum().backward()
    assert not [name for name, p in queries.named_parameters() if p.requires_grad and p.grad is None]


def test_a_tower_gives_its_last_blocks_tokens_averaged(tmp_path: Path) -> None:
    name = checkpoints.clip(tmp_path)
    own, _ = image_encoders.load(name, 0, 2)
    fine, _ = image_encoders.load(name, 64, 2)  # 4 x 4 tokens, averaged
    pictures = torch.rand(3, 3, 48, 48)
    assert own.raw_tokens(pictures).shape == fine.raw_tokens(pictures).shape == (3, 4, 16)
    seen: list[torch.Tensor] = []
    own.visual.transformer.resblocks[-1].register_forward_hook(lambda m, i, out: seen.append(out))
    small = torch.rand(2, 3, 32, 32)
    tokens = own.raw_tokens(small)
    expected = seen[0] if seen[0].shape[0] == 2 else seen[0].transpose(0, 1)
    assert torch.allclose(tokens, expected[:, 1:], atol=1e-6)
    with pytest.raises(ModelError, match="clip_side=3 does not divide"):
        image_encoders.load(name, 0, 3)[0].raw_tokens(small)


def test_channels_are_standardised_by_what_was_measured(tmp_path: Path) -> None:
    own, _ = image_encoders.load(checkpoints.clip(tmp_path), 0, 2)
    pictures = torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    own.standardise(own.measured(pictures.split(7)))
    tokens = own.encode(pictures).flatten(0, 1)
    assert tokens.mean(0).abs().max() < 1e-3
    assert (tokens.std(0, correction=0) - 1).abs().max() < 1e-2


def test_a_tower_from_a_pickle_or_of_no_known_name_is_refused(tmp_path: Path) -> None:
    checkpoints.clip(tmp_path)
    (tmp_path / "tiny.pt").write_bytes(b"")
    for name, what in (
        (f"tiny-clip:{tmp_path / 'tiny.pt'}", "tiny.pt is a pickle"),
        ("tiny-clip:laion", "laion is neither a file nor one of"),
        ("no-such-tower:x", "open_clip knows no model no-such-tower"),
    ):
        with pytest.raises(ModelError, match=what):
            image_encoders.load(name, 0, 2)


@pytest.mark.parametrize(("channels", "shift"), [(4, None), (16, 0.1159)])
def test_a_vae_scales_and_shifts_as_its_config_says(tmp_path: Path, channels: int, shift: float | None) -> None:
    folder = checkpoints.vae(tmp_path / "vae", channels=channels, shift=shift)
    own = vae.load(f"{tmp_path}:vae")
    assert (own.factor, own.channels) == (4, channels)
    pictures = torch.rand(2, 3, 32, 32)
    theirs = AutoencoderKL.from_pretrained(folder)
    with torch.no_grad():
        raw = theirs.encode(pictures * 2 - 1).latent_dist.mean
        assert torch.allclose(own.encode(pictures), (raw - (shift or 0.0)) * 0.13025, atol=1e-5)
        assert torch.allclose(
            own.decode(own.encode(pictures)), (theirs.decode(raw).sample / 2 + 0.5).clamp(0, 1), atol=1e-4
        )


def test_a_text_to_image_unet_learns_to_read_clip_vectors(tmp_path: Path) -> None:
    checkpoints.unet(tmp_path)
    own = clip_decoder.adapted(f"{tmp_path}:unet", 16, side=8, channels=4)
    assert (own.config["cross_attention_dim"], own.config["sample_size"]) == (16, 8)
    theirs = clip_decoder.UNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet").state_dict()
    kept = [k for k, v in own.state_dict().items() if theirs[k].shape == v.shape and torch.equal(v, theirs[k])]
    new = set(theirs) - set(kept)
    assert len(kept) > 50
    assert new
    assert all("attn2.to_" in k or k == "add_embedding.linear_1.weight" for k in new)
    torch.manual_seed(0)
    latents, tokens = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 16)
    optimizer = torch.optim.Adam(own.parameters(), 2e-3)
    losses = []
    for step in range(30):
        torch.manual_seed(step % 3)
        loss = clip_decoder.loss(own, latents, tokens, drop=0.1)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    back = clip_decoder.ClipDecoder(own, vae.load(str(checkpoints.vae(tmp_path / "v"))), steps=2, guidance=3.0).eval()
    with torch.no_grad():
        pictures = back.decode(tokens)
        alone = back.decode(tokens[1:2])
    assert pictures.shape == (4, 3, 32, 32)
    assert back.picture == 32
    assert torch.allclose(pictures[1:2], alone, atol=1e-4)
    assert F.mse_loss(pictures[0], pictures[1]) > 0


def test_a_decoder_of_another_tower_is_refused(tmp_path: Path) -> None:
    own = vae.load(str(checkpoints.vae(tmp_path / "v")))
    with pytest.raises(ModelError, match="`make decoder` trains one"):
        clip_decoder.load(str(tmp_path), own, {})
    (tmp_path / clip_decoder.CARD).write_text('{"stands_on": {"clip": "a"}, "steps": 2, "guidance": 1}')
    with pytest.raises(ModelError, match="was trained on clip a, not on b"):
        clip_decoder.load(str(tmp_path), own, {"clip": "b"})


def test_pickled_weights_are_never_opened(tmp_path: Path) -> None:
    folder = checkpoints.llama(tmp_path)
    torch.save({"x": torch.zeros(1)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"foundations\.language .* cannot be loaded as the language model"):
        language_model.load(str(folder), "", 64)


def test_a_model_that_is_not_there_says_where_to_get_it_and_where_to_put_it() -> None:
    with pytest.raises(ModelError, match=r"download https://huggingface.co/some/llama .* foundations.language FOLDER"):
        language_model.load("some/llama", "", 64)
