"""What is written down of a layer: an in-toto statement with the provenance of SLSA."""

from typing import Any

import pytest

from ebsif.inside.provenance import LayerRecord, read_layer_record
from tests.support.records import make_record


def test_a_record_is_a_statement_with_the_provenance_of_slsa() -> None:
    record = make_record()
    assert (record["_type"], record["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert record["subject"] == [
        {"name": "user-software.squashfs", "digest": {"sha256": "1" * 64}, "annotations": {"compressor": "zstd"}}
    ]
    assert set(record["predicate"]) == {"buildDefinition", "runDetails"}
    definition = record["predicate"]["buildDefinition"]
    assert set(definition) == {"buildType", "externalParameters", "resolvedDependencies"}
    assert definition["resolvedDependencies"][0] == {"name": "x.sif", "digest": {"sha256": "3" * 64}}
    assert record["predicate"]["runDetails"] == {
        "builder": {"id": "urn:ebsif:easyblock:SifVenv", "version": {"easybuild": "5.4.1"}},
        "byproducts": [
            {
                "name": "user-software",
                "digest": {"ebsif_content_sha256": "2" * 64},
                "annotations": {"checked": True},
            }
        ],
    }


def test_what_is_written_is_read() -> None:
    record = make_record()
    definition = record["predicate"]["buildDefinition"]
    assert read_layer_record(record) == LayerRecord("1" * 64, "2" * 64, definition, checked=True)


def test_the_format_of_earlier_versions_is_read() -> None:
    former = {"format": 1, "squashfs_sha256": "1" * 64, "content_sha256": "2" * 64, "packages": {"one": "1.0"}}
    assert read_layer_record(former) == LayerRecord("1" * 64, "2" * 64, None, checked=False)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "it is not what `eb` writes of a layer"),
        ([], "it is not what `eb` writes of a layer"),
        ({"format": 1}, "it is not what `eb` writes of a layer"),
        ({"format": 1, "squashfs_sha256": 1, "content_sha256": "2"}, "a digest is no text"),
        (make_record() | {"subject": []}, "it is not what `eb` writes of a layer"),
        (
            make_record() | {"_type": "https://in-toto.io/Statement/v2"},
            "in a format that this version of ebsif does not",
        ),
    ],
)
def test_what_is_no_record_is_refused(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_layer_record(data)
