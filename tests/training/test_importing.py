"""Published checkpoints become models: the fixtures' logits, every length, what is refused, the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from studio import cli
from studio.errors import NoTokenizer, StudioError
from studio.generation import finish, free_request, generate
from studio.media.texts import train_tokenizer
from studio.runtime.bundle import Bundle
from studio.runtime.catalog import find_bundle
from studio.runtime.denoiser import OnnxDenoiser
from studio.training.checkpoints import Inert, read_checkpoint
from studio.training.importing import check_name, load_network, read_published, write_published
from studio.training.published_tokenizer import find_tokenizer
from tests.training.published import FIXTURES, needs_fixtures, network, picture_state, save, text_state, unpacked

pytestmark = pytest.mark.filterwarnings("ignore")  # the ONNX exporter warns about its own internals

ARGS = {"dataset": "cifar10", "schedule_n": 3.0, "seq_length": 3072, "super_token": False}


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer of the 1000 tokens that the text fixtures have."""
    words = [" ".join(f"{a}{b}{c}" for b in "aeiou" for c in "mnprst") for a in "bcdfghjklmnpqrstvwz"]
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train_tokenizer(words * 3, 600).save(str(path))
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary.update({f"zq{index}": len(vocabulary) + index for index in range(1000 - len(vocabulary))})
    path.write_text(json.dumps(content))
    assert Tokenizer.from_file(str(path)).get_vocab_size() == 1000
    return path


def errors(logits: np.ndarray, expected: Any) -> float:
    """Largest difference from a fixture. logits: (B, 3, H, W, C) of pictures or (B, L, C) of texts."""
    corner = logits[:, :, :8, :8] if logits.ndim == 5 else logits[:, :8]
    mean = logits.mean((2, 3) if logits.ndim == 5 else 1)
    return max(np.abs(corner - expected["logits"]).max(), np.abs(mean - expected["logits_mean"]).max())


@needs_fixtures
def test_a_picture_fixture_becomes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = unpacked("image_l2.pth", tmp_path)
    code, out, _ = run(capsys, "import", path, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["name"] == "prime-cifar10-l2"
    bundle = find_bundle("prime-cifar10-l2")
    assert (bundle.manifest.schedule, bundle.manifest.granularities) == ("poly3", (2,))
    assert {"checkpoint": "image_l2.pth", "epoch": 7, "steps": 1000}.items() <= bundle.manifest.training.items()
    assert "NC" in bundle.manifest.licence
    defaults = bundle.manifest.defaults
    assert (defaults.steps, defaults.policy, defaults.temperature, defaults.temperature_slope) == (
        512, "ancestral", 1.0, (-0.2, 2.0)
    )  # fmt: skip
    code, out, err = run(capsys, "import", path, "-q", "--json")
    assert (code, json.loads(out)) == (2, {"refused": "name", "name": "prime-cifar10-l2"})
    assert "--replace" in err
    published = read_published(path)

    expected = np.load(FIXTURES / "image_l2.npz")
    y = expected["y"].astype(np.int64).reshape(2, 3, 2, 32, 32).transpose(0, 3, 4, 1, 2).reshape(2, 3072, 2)
    rows = np.arange(2 * 3072)
    with torch.no_grad():
        ours = load_network(published)(torch.from_numpy(y), torch.from_numpy(rows)).numpy()
    denoise = OnnxDenoiser(bundle, "cpu")
    for logits in (ours, denoise(y, rows)):
        assert errors(logits.reshape(2, 32, 32, 3, 256).transpose(0, 3, 1, 2, 4), expected) < 2e-4

    request = free_request(bundle, [1], steps=2)
    *_, last = generate(request, bundle, denoise)
    pictures = finish(request, bundle, last, seconds=0, provider=denoise.provider).pictures
    assert pictures is not None
    assert pictures.shape == (1, 32, 32, 3)


@needs_fixtures
@pytest.mark.parametrize(("name", "length"), [("text_l2", 2), ("text_l4", 4)])
def test_a_text_fixture_becomes_a_model(name: str, length: int, tokenizer_file: Path, tmp_path: Path):
    published = read_published(unpacked(f"{name}.ckpt", tmp_path))
    assert (published.schedule, published.num_tokens, published.network["length"]) == ("linear", 32, length)
    tokenizer = find_tokenizer(1000, tokenizer_file)
    bundle = Bundle.open(write_published(published, tmp_path / "model", name="text", tokenizer=tokenizer))
    expected = np.load(FIXTURES / f"{name}.npz")
    y, rows = expected["y"].astype(np.int64).reshape(2, 32, length), np.arange(64)
    with torch.no_grad():
        ours = load_network(published)(torch.from_numpy(y), torch.from_numpy(rows)).numpy()
    denoise = OnnxDenoiser(bundle, "cpu")
    for logits in (ours, denoise(y, rows)):
        assert errors(logits.reshape(2, 32, 1000), expected) < 2e-4
    request = free_request(bundle, [1], steps=2)
    *_, last = generate(request, bundle, denoise)
    assert finish(request, bundle, last, seconds=0, provider=denoise.provider).texts


@pytest.mark.parametrize(("length", "with_settings"), [(1, True), (2, True), (3, False), (4, True), (8, False)])
def test_every_length_of_pictures(length: int, with_settings: bool, tmp_path: Path):
    made = network("unet", length)
    path = save(tmp_path / "x.pth", picture_state(made, ARGS if with_settings else None))
    published = read_published(path, schedule=None if with_settings else "poly3")
    y = torch.randint(0, made.config.base + 1, (1, 3072, length))
    rows = torch.arange(0, 3072, 97)
    with torch.no_grad():
        assert torch.equal(load_network(published)(y, rows), made(y, rows))
    raw = load_network(read_published(path, ema=False, schedule="poly3"))
    assert not any(parameter.any() for parameter in raw.parameters())


@pytest.mark.parametrize(
    ("carry_over", "draw"), [(True, "marginal"), (False, "joint"), (None, "joint"), ("x", "joint")]
)
def test_carry_over_is_the_marginal_draw(carry_over: Any, draw: str, tmp_path: Path):
    """The published sampler of a picture model with carry-over takes each digit from its own marginal."""
    path = save(tmp_path / "x.pth", picture_state(network("unet", 2), ARGS | {"carry_over": carry_over}))
    assert read_published(path).defaults["draw"] == draw


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 8])
def test_every_length_of_texts(length: int, tmp_path: Path):
    made = network("transformer", length, width=48)
    content = text_state(made)
    path = save(tmp_path / "x.ckpt", content)
    with pytest.raises(StudioError, match="--heads"):
        read_published(path, context=16, schedule="linear")
    with pytest.raises(StudioError, match="--context"):
        read_published(path, heads=2, schedule="linear")
    with pytest.raises(StudioError, match="--schedule"):
        read_published(path, heads=2, context=16)
    content["state_dict"]["backbone.rotary_emb.inv_freq"] = torch.ones(48 // 2 // 2)
    published = read_published(save(path, content), context=16, schedule="linear")
    assert published.network["heads"] == 2
    y = torch.randint(0, made.config.base + 1, (2, 16, length))
    rows = torch.arange(32)
    with torch.no_grad():
        assert torch.equal(load_network(published)(y, rows), made(y, rows))


def test_half_precision_is_half_the_size(tokenizer_file: Path, tmp_path: Path):
    made = network("transformer", 2, width=64, vocab_size=1000, base=32)
    path = save(tmp_path / "x.ckpt", text_state(made))
    published = read_published(path, heads=2, context=16, schedule="linear")
    tokenizer = tokenizer_file.read_bytes()
    bundle = Bundle.open(write_published(published, tmp_path / "x", name="x", tokenizer=tokenizer, half=True))
    parameters = sum(parameter.numel() for parameter in made.parameters())
    assert bundle.file("weights.safetensors").stat().st_size < 2 * parameters + 10_000
    assert bundle.manifest.training["precision"] == "half"


def changed(state: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The content of a checkpoint with entries of its `model` changed; None takes one away."""
    model = {name: value for name, value in (state["model"] | changes).items() if value is not None}
    return state | {"model": model}


def test_networks_that_are_not_ours(tmp_path: Path):
    state = picture_state(network("unet", 2), ARGS)
    names = [name for name in state["model"] if name.startswith("model.")]
    first, last = "shadow_params.0", f"shadow_params.{len(names) - 1}"
    deep = names.index("model.unet.input_blocks.1.0.in_layers.2.weight")
    table = state["model"][first]
    cases = [
        (picture_state(network("unet", 2), ARGS | {"super_token": True}), "super-token"),
        (changed(state, **{names[0]: torch.zeros(4097, 16), first: torch.zeros(4097, 16)}), "super-token"),
        (picture_state(network("unet", 2), ARGS | {"use_uniform_mixture": True}), "class mixture"),
        (changed(state, **{"model.unet.label_emb.weight": torch.zeros(3)}), "class mixture"),
        (changed(state, **{last: None}), "--raw"),
        (changed(state, **{first: table.T.contiguous()}), "--raw"),
        (changed(state, **{first: "no tensor"}), "not an ordinary tensor"),
        (changed(state, **{first: table.to_sparse()}), "not an ordinary|asks for"),
        (changed(state, **{first: torch.full_like(table, float("nan"))}), "not all finite"),
        (changed(state, **{"model.strange": table, f"shadow_params.{len(names)}": table}), "strange"),
        (changed(state, **{f"shadow_params.{deep}": torch.zeros(1).expand(32, 192, 3, 3)}), "not an ordinary"),
        ({"model": {"weight": table}}, "no MDM-Prime weights"),
        ({"state_dict": {"weight": table}}, "no MDM-Prime weights"),
        (picture_state(network("unet", 2), ARGS | {"schedule_n": float("nan")}), "schedule"),
        (picture_state(network("unet", 2)), "--schedule"),
    ]
    for content, word in cases:
        path = save(tmp_path / "x.pth", content)
        with pytest.raises(StudioError, match=word) as refusal:
            load_network(read_published(path))
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("tokens", [0, 1, 3, 27, 3071, 524288, 3 << 40, -3072, True, 12.0, "3072"])
def test_pictures_of_an_impossible_size(tokens: Any, tmp_path: Path):
    """27 tokens are three pixels a side, which the network cannot halve."""
    path = save(tmp_path / "x.pth", picture_state(network("unet", 2), ARGS | {"seq_length": tokens}))
    with pytest.raises(StudioError, match=f"its seq_length of {tokens} is not that of square pictures"):
        read_published(path)


@pytest.mark.parametrize("context", [1, 2])
def test_texts_of_one_or_two_tokens(context: int, tokenizer_file: Path, tmp_path: Path):
    made = network("transformer", 2, vocab_size=1000, base=32)
    path = save(tmp_path / "x.ckpt", text_state(made))
    published = read_published(path, heads=2, context=context, schedule="linear")
    write_published(published, tmp_path / "x", name="x", tokenizer=tokenizer_file.read_bytes())
    assert Bundle.open(tmp_path / "x").num_tokens == context


def test_more_weights_than_the_file_holds(tmp_path: Path):
    """Tensors that share one storage could ask for any amount of memory."""
    state = picture_state(network("unet", 2), ARGS)
    shared = torch.zeros(1 << 18)
    for name, value in state["model"].items():
        if value.numel() > 1:
            state["model"][name] = shared[: value.numel()].view(value.shape)
    path = save(tmp_path / "x.pth", state)
    assert path.stat().st_size < 1_500_000
    with pytest.raises(StudioError, match="more weights than it has room for"):
        read_published(path)


def test_an_import_that_is_stopped_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRIME_STUDIO_HOME", str(tmp_path / "home"))
    path = save(tmp_path / "x.pth", picture_state(network("unet", 2), ARGS))
    command = [sys.executable, "-m", "studio", "import", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "writing the graph" in line:
                process.terminate()
    assert process.returncode == 143
    assert list((tmp_path / "home" / "models").iterdir()) == []


def test_names():
    check_name("prime-cifar10-l2")
    for name in ("", "a/b", "../a", "a b", "x" * 65, "-a", "é"):
        with pytest.raises(StudioError, match="named"):
            check_name(name)


def test_tokenizers(tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert find_tokenizer(1000, tokenizer_file) == tokenizer_file.read_bytes()
    with pytest.raises(NoTokenizer, match="1000 tokens and the model 50257"):
        find_tokenizer(50257, tokenizer_file)
    with pytest.raises(NoTokenizer, match="is not a tokenizer"):
        find_tokenizer(1000, Path(__file__))
    with pytest.raises(NoTokenizer, match="No such file"):
        find_tokenizer(1000, tmp_path / "missing.json")
    for variable, hub in (("HF_HOME", tmp_path / "hf" / "hub"), ("HF_HUB_CACHE", tmp_path / "cache")):
        monkeypatch.setenv(variable, str(tmp_path / ("hf" if variable == "HF_HOME" else "cache")))
        with pytest.raises(NoTokenizer, match="--tokenizer") as refusal:
            find_tokenizer(1000)
        assert str(hub) in str(refusal.value)
        snapshot = hub / "models--gpt2" / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (snapshot / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
        assert find_tokenizer(1000) == tokenizer_file.read_bytes()
        with pytest.raises(NoTokenizer, match="50257"):
            find_tokenizer(50257)
    assert find_tokenizer(1000, embedded=b"broken") == tokenizer_file.read_bytes()


def test_the_tokenizer_inside_the_checkpoint_is_used_if_it_is_byte_level(tokenizer_file: Path):
    assert find_tokenizer(1000, embedded=tokenizer_file.read_bytes()) == tokenizer_file.read_bytes()
    words = json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}).encode()
    with pytest.raises(StudioError, match="the one inside the checkpoint does not keep"):
        find_tokenizer(1, embedded=words)


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.main([str(argument) for argument in argv])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_line_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = save(tmp_path / "checkpoint-3.pth", picture_state(network("unet", 2), ARGS))
    for more, word in (
        (["--name", "a/b"], "cannot be named"),
        (["--name", "x", "--tokenizer", "t.json"], "for texts"),
        (["--ema", "--raw"], "not allowed"),
        (["-o", str(tmp_path)], "not a model bundle"),
    ):
        code, out, err = run(capsys, "import", path, "-q", *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert word in err
    code, out, err = run(capsys, "import", tmp_path / "none.pth")  # where progress is told, too
    assert (code, out, err.count("\n")) == (2, "", 1) and "No such file" in err


@needs_fixtures
def test_a_text_without_its_tokenizer_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    path = unpacked("text_l4.ckpt", tmp_path)
    content = read_checkpoint(path)
    assert isinstance(content["hyper_parameters"]["tokenizer"], Inert)
    code, out, err = run(capsys, "import", path, "-q", "--json", "-o", tmp_path / "model")
    assert (code, json.loads(out)) == (2, {"refused": "tokenizer"})
    assert "tokenizer.json is missing" in err
    assert not (tmp_path / "model").exists()
