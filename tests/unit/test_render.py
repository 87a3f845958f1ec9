"""The text of an easyconfig: what a maintainer of EasyBuild reads."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebsif.base.image import Base
from ebsif.base.manifest import Manifest
from ebsif.easyconfig.quoting import WIDTH
from ebsif.easyconfig.read import Constant, read_easyconfig
from ebsif.easyconfig.render import render
from ebsif.errors import EbsifError, InputError
from ebsif.lock import LayerRequest
from ebsif.lock.commit import Commit
from ebsif.lock.model import Lock, LockedFile
from ebsif.recipe import Recipe
from ebsif.site import Site
from tests.support.manifests import make_manifest
from tests.support.requests import pip_request

LOCK = Lock(
    "a" * 64,
    (
        LockedFile("pip", "26.3", "pip-26.3-py3-none-any.whl", "1" * 64),
        LockedFile("own", "1.0", "own-1.0-py3-none-any.whl", "2" * 64, "https://example.org/wheels"),
    ),
)
HOSTILE = "it's \"so\" %(name)s {{ recipe }} \\ $HOME `id`"


def recipe(**values: Any) -> Recipe:
    return Recipe.model_validate({"name": "PyTorch", "version": "2.13.0", "base": "x.sif", **values})


def site(**values: Any) -> Site:
    return Site.model_validate({"name": "here", "description": "this machine", **values})


def base(manifest: Manifest | None = None, **values: Any) -> Base:
    return Base("x.sif", None, manifest or make_manifest(**values))


@pytest.fixture(scope="session")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Render an easyconfig, and return what it assigns."""

    def parameters(*arguments: Any) -> dict[str, Any]:
        path = tmp_path_factory.mktemp("easyconfig") / "x.eb"
        path.write_text(render(arguments[0], "x.yml", *arguments[1:]))
        return dict(read_easyconfig(path).parameters)

    return parameters


def test_the_same_recipe_gives_the_same_bytes() -> None:
    assert render(recipe(), "x.yml", site(), base(), LOCK) == render(recipe(), "x.yml", site(), base(), LOCK)


def test_it_says_which_recipe_and_which_ebsif_made_it() -> None:
    from ebsif import __version__

    assert render(recipe(), "my.yml", site(), base(), None).startswith(
        f"# Made by ebsif {__version__}; to change it, change its recipe and run `ebsif generate` again:\n# 'my.yml'\n"
    )


def test_the_default_index_is_named_by_easybuilds_constant_only(parameters: Any) -> None:
    found = parameters(recipe(), site(), base(), LOCK)
    assert found["exts_default_options"] == {"source_urls": [Constant("PYPI_SOURCE")]}
    assert found["exts_list"][0] == (
        "pip",
        "26.3",
        {"sources": ["pip-26.3-py3-none-any.whl"], "checksums": ["1" * 64]},
    )


def test_a_file_from_elsewhere_repeats_its_place(parameters: Any) -> None:
    assert parameters(recipe(), site(), base(), LOCK)["exts_list"][1][2]["source_urls"] == ["https://example.org/wheels"]


BUILT = Lock(
    "b" * 64,
    (
        LockedFile(
            "from-git",
            "1.0",
            "from-git-1.0-g000000000000.tar.xz",
            "1" * 64,
            commit=Commit("https://example.org/o", "from-git", "0" * 40, recursive=True),
            start_dir="python/one",
        ),
        LockedFile("packed", "1.0", "packed-1.0.tar.gz", "2" * 64, "https://example.org/p/archive", "v1.0.tar.gz"),
        LockedFile("own", "1.0", "own-1.0-0_abc-py3-none-any.whl", "3" * 64, is_own=True),
    ),
)


def test_what_is_built_is_named_in_the_manner_of_easybuild_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.eb"
    path.write_text(render(recipe(), "x.yml", site(), base(), BUILT))
    found = read_easyconfig(path)
    assert found.lock == BUILT
    from_git, packed, own = (options for _, _, options in found.parameters["exts_list"])
    assert from_git["sources"] == [
        {
            "filename": "from-git-1.0-g000000000000.tar.xz",
            "git_config": {
                "url": "https://example.org/o",
                "repo_name": "from-git",
                "commit": "0" * 40,
                "recursive": True,
            },
        }
    ]
    assert packed["sources"] == [{"filename": "packed-1.0.tar.gz", "download_filename": "v1.0.tar.gz"}]
    assert own["download_instructions"].startswith("It was built from a folder of whoever made this easyconfig")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://example.org/o", "https://example.org/$(id)"),
        ("'repo_name': 'from-git'", "'repo_name': '--upload-pack=id'"),
        (f"'{'0' * 40}'", "'main'"),
        ("'recursive': True", "'extra_config_params': ['core.sshCommand=id']"),
        ("python/one", "../one"),
        ("'v1.0.tar.gz'", "'../v1.0.tar.gz'"),
        ("'v1.0.tar.gz'", "'v1.0.tar.gz\\n--index-url=x'"),
    ],
)
def test_what_ebsif_would_not_write_is_refused_with_its_line(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "x.eb"
    path.write_text(render(recipe(), "x.yml", site(), base(), BUILT).replace(before, after))
    with pytest.raises(InputError, match=r"x\.eb:\d+: exts_list: "):
        read_easyconfig(path).lock  # noqa: B018


def test_the_activation_comes_from_the_manifest(parameters: Any) -> None:
    manifest = make_manifest(kind="conda").model_dump() | {
        "activation": {
            "command": "source /opt/conda/bin/activate x",
            "env": {"CONDA_PREFIX": "/opt/conda", "HOOK": HOSTILE},
            "path": ["/opt/conda/bin"],
        },
        "venv_env": {"VIRTUAL_ENV_PROMPT": "({venv}) "},
    }
    found = parameters(recipe(), site(), base(Manifest.model_validate(manifest)), None)
    assert found["activation"] == "source /opt/conda/bin/activate x"
    assert found["activation_env"] == {
        "CONDA_PREFIX": "/opt/conda",
        "HOOK": HOSTILE,
        "VIRTUAL_ENV_PROMPT": "(pytorch) ",
    }
    assert found["activation_path"] == ["/opt/conda/bin"]


def test_a_pythonpath_of_the_base_is_neutralised(parameters: Any) -> None:
    manifest = Manifest.model_validate(make_manifest().model_dump() | {"pythonpath": "/opt/venv/lib"})
    assert parameters(recipe(), site(), base(manifest), None)["container_env"] == {"PYTHONPATH": ""}


def test_values_of_site_and_recipe_come_together(parameters: Any) -> None:
    here = site(binds=["/scratch"], host_env={"NET": "hsn", "LEVEL": "3"}, conflicts=["other"])
    mine = recipe(binds=["/data"], host_env={"LEVEL": "4"}, conflicts=["mine"])
    found = parameters(mine, here, base(), None)
    assert found["binds"] == ["/scratch", "/data"]
    assert found["host_env"] == {"NET": "hsn", "LEVEL": "4"}
    assert found["conflicts"] == ["other", "mine"]


def test_a_gpu_is_named_where_the_runtime_brings_one(parameters: Any) -> None:
    assert parameters(recipe(), site(gpu="rocm"), base(), None)["gpu"] == "rocm"
    assert "gpu" not in parameters(recipe(gpu="none"), site(gpu="rocm"), base(), None)


def test_an_image_that_is_not_at_hand_has_no_checksum_and_that_is_said(parameters: Any) -> None:
    unknown = recipe(expected={"kind": "conda", "python": "/opt/python", "activation": "source /opt/activate"})
    text = render(unknown, "x.yml", site(), Base("x.sif"), None)
    assert "Nobody has looked into this image" in text
    found = parameters(unknown, site(), Base("x.sif"), None)
    assert (found["checksums"], found["base_python"]) == ([None], "/opt/python")
    assert "activation_env" not in found


def test_an_image_that_is_not_at_hand_and_not_described_is_refused() -> None:
    with pytest.raises(EbsifError, match=r"x\.sif is not at hand.*expected:"):
        render(recipe(), "x.yml", site(), Base("x.sif"), None)


def test_a_base_without_python_cannot_carry_a_venv() -> None:
    with pytest.raises(EbsifError, match="layer: none"):
        render(recipe(), "x.yml", site(), base(python=None), None)


def test_a_base_without_python_can_be_a_module(parameters: Any) -> None:
    found = parameters(recipe(layer="none"), site(), base(python=None), None)
    assert found["easyblock"] == "SifContainer"
    assert "base_python" not in found


def test_an_image_built_on_each_machine_has_no_checksum(parameters: Any) -> None:
    assert parameters(recipe(verify_base=False), site(), base(), None)["checksums"] == [None]


def test_a_frozen_image_has_its_checksum(parameters: Any) -> None:
    assert parameters(recipe(), site(), base(), None)["checksums"] == ["0" * 64]


def test_an_easyconfig_without_packages_tells_how_to_add_some(parameters: Any) -> None:
    assert "install packages with pip" in parameters(recipe(), site(), base(), None)["description"]


def test_the_processors_near_each_gpu_are_in_the_usage(parameters: Any) -> None:
    usage = parameters(recipe(), site(cpu_masks=["0xfe", "0xfe00"]), base(), None)["usage"]
    assert "--ntasks-per-node=2" in usage
    assert "--cpu-bind=mask_cpu:0xfe,0xfe00 python-distributed …" in usage


def test_slurm_binds_gpus_where_the_site_chooses_that(parameters: Any) -> None:
    nodes = site(cpu_masks=["0xfe00", "0xfe"], jobscript={"gpu_bind": "map"})
    usage = parameters(recipe(), nodes, base(), None)["usage"]
    assert "--ntasks-per-node=2 --gres-flags=allow-task-sharing \\\n        --gpu-bind=map:1,0 python-dist" in usage
    assert "mask_cpu" not in usage


def test_what_is_true_of_the_nodes_of_a_site(parameters: Any) -> None:
    nodes = site(cpu_masks=["0xfe", "0xfe00"], distributed={"ports": "10000-19999"})
    known = parameters(recipe(), nodes, base(), None)["distributed"]
    assert known == {"ports": "10000-19999", "cpu_masks": ["0xfe", "0xfe00"]}
    assert "distributed" not in parameters(recipe(), site(), base(), None)


def test_no_line_is_longer_than_easybuild_allows() -> None:
    packages = {f"package-number-{number}": "1.0" for number in range(200)} | {"torch": "2.13.0"}
    described, requested = recipe(description="word " * 100), LayerRequest(pip_request("lightning"))
    text = render(described, "x.yml", site(), base(packages=packages), LOCK, requested)
    assert all(len(line) <= WIDTH for line in text.splitlines())


@given(description=st.text(), homepage=st.text(alphabet=st.characters(blacklist_categories=["Cc", "Cs"])))
def test_whatever_a_recipe_says_arrives(parameters: Any, description: str, homepage: str) -> None:
    found = parameters(recipe(description=description, homepage=homepage), site(), base(), None)
    assert found["description"].startswith(description.strip())
    assert found["homepage"] == (homepage or "https://pytorch.org/")
    assert found["sources"] == ["x.sif"]
