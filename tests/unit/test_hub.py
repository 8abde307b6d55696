"""What a reference to a hub means, what a repository offers, and which of it is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.hub import (
    HubFile,
    HubReference,
    Listing,
    Offer,
    fits,
    matching,
    offers,
    parse_reference,
    quantisation_of,
    recommended,
)
from llmtui.errors import UsageError
from llmtui.services.pull import endpoint_of
from llmtui.store.config import Config

GIB = 1 << 30
REPO = "Qwen/Qwen2-7B-Instruct-GGUF"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REPO, {}),
        (f" {REPO}/ ", {}),
        (f"{REPO}:q4_k_m", {"quantisation": "Q4_K_M"}),
        (f"{REPO}/Q5_K_M", {"quantisation": "Q5_K_M"}),
        (f"{REPO}/a-q4_0.gguf", {"file": "a-q4_0.gguf"}),
        (f"{REPO}/Q4/a.gguf", {"file": "Q4/a.gguf"}),
        (f"hf.co/{REPO}:Q8_0", {"quantisation": "Q8_0"}),
        (f"huggingface.co/{REPO}", {}),
        (f"https://huggingface.co/{REPO}", {}),
        (f"https://hf.co/{REPO}:Q8_0", {"quantisation": "Q8_0"}),
        (f"https://huggingface.co/{REPO}/tree/main", {"revision": "main"}),
        (f"https://huggingface.co/{REPO}/blob/v2/a%20b.gguf", {"file": "a b.gguf", "revision": "v2"}),
        (f"https://huggingface.co/{REPO}/resolve/main/x.gguf?download=true", {"file": "x.gguf", "revision": "main"}),
        (f"https://mirror.example:8443/{REPO}", {}),
        (f"hf://{REPO}", {}),
    ],
)
def test_references(text: str, expected: dict[str, str]):
    assert parse_reference(text, hosts=["mirror.example:8443"]) == HubReference(repository=REPO, **expected)


@pytest.mark.parametrize(
    "text",
    [
        *("", "qwen", "a/", "/b", "../..", "a/../b", "org/repo/../../x.gguf", "org/repo/notes.txt", "org/re po"),
        *("https://other.example/org/repo", "https://huggingface.co/", "https://[::1", "org\n/repo", "-org/repo"),
    ],
)
def test_what_is_no_reference_is_refused(text: str):
    with pytest.raises(UsageError):
        parse_reference(text)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str):
    try:
        found = parse_reference(text)
    except UsageError:
        return
    assert found.repository.count("/") == 1
    assert ".." not in (found.file or "").split("/")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("qwen2-7b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("Meta-Llama-3.1-8B.Q5_K_S.gguf", "Q5_K_S"),
        ("model-IQ4_XS.gguf", "IQ4_XS"),
        ("UD-Q4_K_XL/model-UD-Q4_K_XL-00001-of-00002.gguf", "UD-Q4_K_XL"),
        ("Q8_0/model-00001-of-00003.gguf", "Q8_0"),
        ("phi-3-mini-4k-instruct-fp16.gguf", "F16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("BF16/x.gguf", "BF16"),
        ("qwen2.gguf", None),
        ("q4ever.gguf", None),
    ],
)
def test_quantisations_by_name(path: str, name: str | None):
    assert quantisation_of(path) == name


def listing(*files: str, size: int = GIB) -> Listing:
    return Listing(
        repository=REPO, commit="c", files=tuple(HubFile(path=path, size_bytes=size, sha256="a" * 64) for path in files)
    )


def test_projectors_are_no_models_and_split_files_are_one():
    found = offers(
        listing(
            *("README.md", "mmproj-model-f16.gguf", "model.mmproj-Q8_0.gguf", "imatrix.gguf", "m-Q4_K_M.gguf"),
            *("m-Q8_0-00002-of-00002.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q6_K-00001-of-00002.gguf"),
        )
    )
    assert [(offer.name, offer.quantisation, offer.size_bytes) for offer in found] == [
        ("m-Q4_K_M", "Q4_K_M", GIB),
        ("m-Q8_0", "Q8_0", 2 * GIB),
    ]
    assert [file.path for file in found[1].files] == ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]
    part = HubReference(repository=REPO, file="m-Q8_0-00002-of-00002.gguf")
    assert matching(found, part) == (found[1],)


def ladder() -> tuple[Offer, ...]:
    sizes = {"Q2_K": 3.0, "Q3_K_M": 3.8, "Q4_0": 4.4, "Q4_K_M": 4.7, "Q5_K_M": 5.4, "Q6_K": 6.3, "Q8_0": 8.1, "F16": 15}
    return tuple(
        Offer(name=f"m-{name}", quantisation=name, files=(HubFile(path=f"m-{name}.gguf", size_bytes=int(size * GIB)),))
        for name, size in sizes.items()
    )


@pytest.mark.parametrize(
    ("memory", "name"),
    [
        (64, "Q8_0"),
        (10.5, "Q8_0"),
        (9, "Q6_K"),
        (7.5, "Q5_K_M"),
        (6.5, "Q4_K_M"),
        (6, "Q4_0"),
        (5, None),
        (None, "Q4_K_M"),
    ],
)
def test_the_largest_usual_one_that_fits_is_taken_down_to_four_bits(memory: float | None, name: str | None):
    chosen = recommended(ladder(), None if memory is None else int(memory * GIB))
    assert (chosen and chosen.quantisation) == name


def test_several_models_in_one_repository_leave_the_choice_open():
    found = offers(listing("small-Q4_K_M.gguf", "large-Q4_K_M.gguf"))
    assert recommended(found, 64 * GIB) is None


def test_unknown_sizes_fit_nobody_knows_where():
    offer = offers(Listing(repository=REPO, commit="c", files=(HubFile(path="a.gguf", size_bytes=None),)))[0]
    assert fits(offer, GIB) is None
    assert offer.size_bytes is None


def test_the_endpoint_is_the_nearest_that_was_named():
    config = Config(hub_endpoint="https://configured.example/")
    environ = {"HF_ENDPOINT": "https://environ.example"}
    assert endpoint_of("http://127.0.0.1:1/", config, environ) == "http://127.0.0.1:1"
    assert endpoint_of(None, config, environ) == "https://configured.example"
    assert endpoint_of(None, Config(), environ) == "https://environ.example"
    assert endpoint_of(None, Config(), {}) == "https://huggingface.co"
    for wrong in ("hf.co", "ftp://x", "http://", "http://x:y", "https://x?y"):
        with pytest.raises(UsageError):
            endpoint_of(wrong, Config(), {})
    with pytest.raises(UsageError) as told:
        endpoint_of("https://me:hunter2@mirror.example", Config(), {})
    assert "hunter2" not in str(told.value)
