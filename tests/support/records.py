"""What is written down of a layer, made by the tests."""

from typing import Any

from ebsif.inside.provenance import build_definition, layer_content, layer_statement, resource


def make_record(
    image_sha256: str = "1" * 64, content: str = "2" * 64, package: str = "one", *, checked: bool = True
) -> dict[str, Any]:
    """Return what `eb` would write of a layer with one package."""
    files = [
        resource("x.sif", "3" * 64),
        resource(f"{package}-1.0-py3-none-any.whl", "4" * 64, package=package, version="1.0"),
    ]
    definition = build_definition({"easyblock": "SifVenv", "environment": "/user-software/venv/demo"}, files)
    image = resource("user-software.squashfs", image_sha256, compressor="zstd")
    folder = layer_content("user-software", content, checked)
    return layer_statement(definition, image, folder, "SifVenv", {"easybuild": "5.4.1"})


def files_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the files of the layer that a record names, without the image."""
    return list(record["predicate"]["buildDefinition"]["resolvedDependencies"][1:])


def packages_of(record: dict[str, Any], *, build_only: bool = False) -> dict[str, str]:
    """Return the versions of the packages that are in the layer, or that only build others."""
    found = [file["annotations"] for file in files_of(record)]
    return {each["package"]: each["version"] for each in found if each.get("buildOnly", False) == build_only}
