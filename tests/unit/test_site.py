"""Sites: what is true of one machine, and what the names of its images say."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ebsif.base.image import ImageName, locate, read_name
from ebsif.errors import EbsifError, InputError
from ebsif.settings import ModuleSettings, merged
from ebsif.site import Family, Site, read_site, site_names
from workbench.images import BASES


@pytest.fixture(scope="module")
def lumi() -> Site:
    return read_site("lumi")


def write_site(folder: Path, text: str) -> Path:
    path = folder / "mine.yml"
    path.write_text(f"name: mine\ndescription: my laptop\n{text}")
    return path


def test_two_sites_come_along() -> None:
    assert site_names() == ["local", "lumi"]


def test_an_unknown_site_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(EbsifError, match="no site 'mahti': known are local, lumi"):
        read_site("mahti")


def test_a_site_is_a_file_beside_the_recipe(tmp_path: Path) -> None:
    write_site(tmp_path, "modules: [Stack]\n")
    assert read_site("mine.yml", tmp_path).modules == ["Stack"]


def test_lumi_supports_rocm_up_to_that_of_its_driver(lumi: Site) -> None:
    assert lumi.rocm is not None
    assert (lumi.rocm.minimum, lumi.rocm.maximum) == ("6.1", "7.0")


def test_lumi_has_processors_for_each_of_eight_gpus(lumi: Site) -> None:
    cores = [int(mask, 16) for mask in lumi.cpu_masks]
    assert [mask.bit_count() for mask in cores] == [7] * 8
    assert sum(cores).bit_count() == 56  # no core twice


def test_lumi_has_the_ports_that_its_guide_tells(lumi: Site) -> None:
    assert lumi.distributed.ports == "10000-19999"


@pytest.mark.parametrize("ports", ["80-90", "20000-10000", "10000-70000", "any", "10000"])
def test_ports_are_a_range_or_reserved(ports: str) -> None:
    with pytest.raises(ValidationError, match="is neither a range of ports such as 10000-19999 nor the word reserved"):
        Site(name="here", description="x", distributed={"ports": ports})  # type: ignore[arg-type]


def test_a_site_without_masks_cannot_bind_tasks_to_gpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="jobscript: gpu_bind needs cpu_masks"):
        read_site(str(write_site(tmp_path, "jobscript: {gpu_bind: masks}\n")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobscript:\n  gpus_per_node: many\n", r"mine.yml:4: jobscript\.gpus_per_node: 'many' is not a number"),
        ("jobscript:\n  time: soon\n", r"mine.yml:4: jobscript\.time: 'soon' is not a time"),
        ("jobscript:\n  memory_per_gpu: 60 G\n", r"mine.yml:4: .*'60 G' is not an amount of memory"),
        ("jobscript:\n  partitions:\n    'a b': {}\n", r"'a b' is not a partition"),
        ("cpu_masks: ['0x0']\n", r"mine.yml:3: cpu_masks\.0: '0x0' is not a mask of processors"),
    ],
)
def test_what_no_job_can_have_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_site(str(write_site(tmp_path, text)))


def test_a_folder_whose_variable_is_not_set_does_not_count(lumi: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMI_CONTAINER_REPOSITORY_ROOT", raising=False)
    assert lumi.frozen_folders() == [Path("/appl/local/containers/easybuild-sif-images")]


def test_the_frozen_images_of_lumi_can_be_moved_for_tests(lumi: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMI_CONTAINER_REPOSITORY_ROOT", "/tmp/test")
    assert lumi.frozen_folders()[0] == Path("/tmp/test/easybuild-sif-images")


def test_local_images_lie_in_the_home_folder_or_where_a_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("EBSIF_IMAGES", "/data/images")
    assert read_site("local").image_folders() == [Path("/data/images"), Path("/home/ada/.local/share/ebsif/images")]


def test_an_image_is_found_in_the_folder_of_its_release(tmp_path: Path) -> None:
    release = tmp_path / "lumi-multitorch-u24r70f21m50t210-20260415_130625"
    release.mkdir()
    image = release / "lumi-multitorch-full-u24r70f21m50t210-20260415_130625.sif"
    image.touch()
    site = read_site(str(write_site(tmp_path, f"images: ['{tmp_path}/lumi-multitorch-*_*']\n")))
    assert locate(image.name, site, tmp_path / "elsewhere") == image


def test_frozen_images_come_before_others(tmp_path: Path) -> None:
    for folder in ("changing", "frozen"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.sif").touch()
    text = f"images: ['{tmp_path}/changing']\nfrozen_images: ['{tmp_path}/frozen']\n"
    assert locate("a.sif", read_site(str(write_site(tmp_path, text))), tmp_path) == tmp_path / "frozen/a.sif"


@pytest.mark.parametrize("folder", ["/images/*", "~/images"])
def test_frozen_images_lie_in_folders_that_modules_understand(tmp_path: Path, folder: str) -> None:
    with pytest.raises(InputError, match=r"mine.yml:3: frozen_images\.0: .*without wildcards, and \$HOME instead of ~"):
        read_site(str(write_site(tmp_path, f"frozen_images: ['{folder}']\n")))


def test_a_pattern_that_is_no_regular_expression_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine.yml:5: .*not a regular expression"):
        read_site(str(write_site(tmp_path, "families:\n  - name: ours\n    pattern: (\n")))


def test_a_pattern_with_a_misspelt_group_is_refused(tmp_path: Path) -> None:
    text = "families:\n  - name: ours\n    pattern: (?P<pyhton>3)\n"
    with pytest.raises(InputError, match=r"unknown group pyhton: known are package, version, rocm, python"):
        read_site(str(write_site(tmp_path, text)))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "lumi-pytorch-rocm-6.2.4-python-3.12-pytorch-v2.7.1-dockerhash-0d479e852886.sif",
            ImageName("LUMI", "PyTorch", "2.7.1", "6.2.4", "3.12"),
        ),
        (
            "lumi-jax-rocm-6.2.4-python-3.12-jax-community-0.5.0-dockerhash-67b47a3e813c.sif",
            ImageName("LUMI", "jax", "community-0.5.0", "6.2.4", "3.12"),
        ),
        (
            "lumi-tensorflow-rocm-6.2.0-python-3.10-tensorflow-2.16.1-horovod-0.28.1-dockerhash-8c75f24cfffc.sif",
            ImageName("LUMI", "TensorFlow", "2.16.1", "6.2.0", "3.10", ("horovod-0.28.1",)),
        ),
        (
            "lumi-mpi4py-rocm-6.2.0-python-3.12-mpi4py-3.1.6-dockerhash-f049c8bd4669.sif",
            ImageName("LUMI", "mpi4py", "3.1.6", "6.2.0", "3.12"),
        ),
        ("lumi-rocm-rocm-6.1.3-dockerhash-4a063f050ed7.sif", ImageName("LUMI", "rocm", "6.1.3", "6.1.3")),
        (
            "lumi-multitorch-full-u24r70f21m50t210-20260415_130625.sif",
            ImageName("LUMI AI Factory", "PyTorch", "2.10", "7.0", variant="full", date="20260415"),
        ),
        (
            "lumi-multitorch-plus-u24r70f21m50t210-20260807_115122.sif",
            ImageName("LUMI AI Factory", "PyTorch", "2.10", "7.0", variant="plus", date="20260807"),
        ),
        (
            "lumi-multitorch-torch-u24r70f21m50t210-20260415_130625.sif",
            ImageName("LUMI AI Factory", "PyTorch", "2.10", "7.0", date="20260415"),
        ),
        (
            "lumi-multitorch-mpich-u24r70f21m50t210-20260415_130625.sif",
            ImageName("LUMI AI Factory", "MPICH", "5.0", "7.0", date="20260415"),
        ),
        (
            "lumi-multitorch-libfabric-u24r70f21m50t210-20260415_130625.sif",
            ImageName("LUMI AI Factory", "libfabric", "2.1", "7.0", date="20260415"),
        ),
        (
            # A newer libfabric.
            "lumi-multitorch-libfabric-u24r70f26m50t210-20260807_115122.sif",
            ImageName("LUMI AI Factory", "libfabric", "2.6", "7.0", date="20260807"),
        ),
        (
            "lumi-multitorch-rocm-u24r70f21m50t210-20260415_130625.sif",
            ImageName("LUMI AI Factory", "rocm", "7.0", "7.0", date="20260415"),
        ),
    ],
)
def test_the_name_of_an_image_of_lumi_says_what_is_in_it(lumi: Site, file: str, said: ImageName) -> None:
    assert read_name(file, lumi.families) == said


@pytest.mark.parametrize(
    "file", ["ubuntu.sif", "lumi-multitorch-latest.sif", "lumi-multitorch-full-u24x-20260415_130625.sif"]
)
def test_another_name_says_nothing(lumi: Site, file: str) -> None:
    assert read_name(file, lumi.families) is None


@pytest.mark.parametrize("file", [base.sif for base in BASES])
def test_the_names_of_the_demo_are_understood(file: str) -> None:
    assert read_name(file, read_site("local").families) is not None


def names_of(file: str) -> set[str]:
    """Return the variables that modules of LUMI set on the host for an image."""
    site = read_site("lumi")
    name = read_name(file, site.families)
    assert name is not None
    return set(site.settings(name.family).host_env)


def test_images_of_amd_and_of_the_ai_factory_want_other_variables_on_lumi() -> None:
    amd = names_of("lumi-pytorch-rocm-6.2.4-python-3.12-pytorch-v2.7.1-dockerhash-0d479e852886.sif")
    laif = names_of("lumi-multitorch-full-u24r70f21m50t210-20260415_130625.sif")
    assert {"NCCL_SOCKET_IFNAME", "NCCL_NET_GDR_LEVEL"} <= amd
    # With both, jobs on many nodes hang.
    assert not {name for name in laif if name.startswith("NCCL_")}
    assert "FI_MR_CACHE_MONITOR" in laif - amd


def test_a_family_says_more_than_its_site_and_a_recipe_more_than_both() -> None:
    ours = Family(name="ours", pattern="ours.sif", host_env={"A": "family", "B": "family"}, binds=["/one", "/two"])
    site = Site(name="here", description="x", host_env={"A": "site", "C": "site"}, binds=["/one"], families=[ours])
    recipe = ModuleSettings(host_env={"B": "recipe"}, start_env={"D": "$USER"}, start_folders=["D"])
    found = merged(site.settings("ours"), recipe)
    assert found.host_env == {"A": "family", "B": "recipe", "C": "site"}
    assert found.binds == ["/one", "/two"]
    assert (found.start_env, found.start_folders) == ({"D": "$USER"}, ["D"])
    assert site.settings(None).host_env == {"A": "site", "C": "site"}


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ((None, None, None), None),
        (("rocm", None, None), "rocm"),
        (("rocm", "nvidia", None), "nvidia"),
        (("rocm", None, "none"), "none"),
    ],
)
def test_of_site_family_and_recipe_the_last_that_names_a_gpu_counts(
    said: tuple[str | None, ...], counts: str | None
) -> None:
    assert merged(*(ModuleSettings.model_validate({"gpu": gpu}) for gpu in said)).gpu == counts


def test_a_gpu_of_somebody_else_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine.yml:3: gpu: .*'rocm', 'nvidia' or 'none'"):
        read_site(str(write_site(tmp_path, "gpu: intel\n")))


def test_images_of_lumi_bring_rocm_themselves(lumi: Site) -> None:
    assert lumi.gpu == "none"


@pytest.mark.parametrize(
    "value", ["$(id)", "${USER%x}", "cost: $", "${A:-$B}", "${A:+${B}}", "${A:+$(id)}", "two\nlines"]
)
def test_a_value_that_is_more_than_variables_and_defaults_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        ModuleSettings(start_env={"CACHE": value})


def test_a_folder_that_no_variable_names_is_refused() -> None:
    with pytest.raises(ValidationError, match="start_folders: CACHE is not in start_env"):
        Site(name="here", description="x", start_folders=["CACHE"])
    family = Family(name="ours", pattern="ours.sif", start_folders=["CACHE"])
    with pytest.raises(ValidationError, match="CACHE is not in start_env of the family ours, nor in that of the site"):
        Site(name="here", description="x", families=[family])


def test_a_folder_may_be_named_by_what_the_settings_are_merged_into() -> None:
    family = Family(name="ours", pattern="ours.sif", start_folders=["CACHE"])
    site = Site(name="here", description="x", start_env={"CACHE": "/tmp/$USER"}, families=[family])
    assert site.settings("ours").start_folders == ["CACHE"]
    assert site.settings(None).start_folders == []
