##
# Copyright 2026 the ebsif developers
#
# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General Public License as published by
# the Free Software Foundation v2.
#
# It is distributed in the hope that it will be useful, but WITHOUT ANY
# WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS
# FOR A PARTICULAR PURPOSE.  See the GNU General Public License for details.
##
"""
What a layer was made of, as an attestation: an in-toto statement with the provenance of SLSA

Nothing in it tells who has built, when or where. Used by ebsif, too: needs nothing but the standard library.
"""
from typing import Any, Dict, List, NamedTuple, Optional

STATEMENT = 'https://in-toto.io/Statement/v1'
PROVENANCE = 'https://slsa.dev/provenance/v1'
# What is built, and how what depends on that is written down.
BUILD_TYPE = 'urn:ebsif:layer:2'
BUILDER = 'urn:ebsif:easyblock:%s'
# The name of our digest of all that is in a layer, which is no SHA256 of a file.
CONTENT = 'ebsif_content_sha256'
# Parameters of an easyconfig that decide what is in the layer, beside its files and the name of the environment.
DECIDING = ('activation', 'base_python', 'stack', 'start_with')
# Before it was a statement.
FORMER_FORMAT = 1


LayerRecord = NamedTuple('LayerRecord', [
    ('image_sha256', str),
    ('content_sha256', str),
    # What the layer was made from; None where the format of the record does not say it.
    ('definition', Optional[Dict[str, Any]]),
    # Whether the installation has passed a sanity check.
    ('checked', bool),
])


def resource(name: str, sha256: str, **annotations: Any) -> Dict[str, Any]:
    """A file, and more that is true of it"""
    found = {'name': name, 'digest': {'sha256': sha256}}  # type: Dict[str, Any]
    return dict(found, annotations=annotations) if annotations else found


def layer_content(name: str, digest: str, checked: bool) -> Dict[str, Any]:
    """A layer as a folder: the digest of its content, and whether the sanity check looks at it before it is used"""
    return {'name': name, 'digest': {CONTENT: digest}, 'annotations': {'checked': checked}}


def build_definition(parameters: Dict[str, Any], files: List[Dict[str, Any]]) -> Dict[str, Any]:
    """What decides what is in a layer: values of the easyconfig, and files"""
    return {'buildType': BUILD_TYPE, 'externalParameters': parameters, 'resolvedDependencies': files}


def layer_statement(definition: Dict[str, Any], image: Dict[str, Any], folder: Dict[str, Any], easyblock: str,
                    versions: Dict[str, str]) -> Dict[str, Any]:
    """
    Statement on a layer.

    :param image: the layer as one file
    :param folder: the layer as a folder, see layer_content
    :param versions: versions of programs that have built it
    """
    return {
        '_type': STATEMENT,
        'subject': [image],
        'predicateType': PROVENANCE,
        'predicate': {
            'buildDefinition': definition,
            'runDetails': {
                'builder': {'id': BUILDER % easyblock, 'version': versions},
                'byproducts': [folder],
            },
        },
    }


def read_layer_record(data: Any) -> LayerRecord:
    """
    What a record says of a layer, also in the former format.

    :raises ValueError: when it is no record of a layer, or one of a newer format
    """
    try:
        if data.get('format') == FORMER_FORMAT:
            record = LayerRecord(data['squashfs_sha256'], data['content_sha256'], None, False)
        else:
            predicate = data['predicate']
            definition = predicate['buildDefinition']
            if (data['_type'], data['predicateType'], definition['buildType']) != (STATEMENT, PROVENANCE, BUILD_TYPE):
                raise ValueError("it is in a format that this version of ebsif does not know")
            content = predicate['runDetails']['byproducts'][0]
            # Those written before it was said, do not say it.
            checked = content.get('annotations', {}).get('checked') is True
            record = LayerRecord(data['subject'][0]['digest']['sha256'], content['digest'][CONTENT], definition,
                                 checked)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError("it is not what `eb` writes of a layer (%s: %s)" % (type(error).__name__, error)) from error
    if not all(isinstance(digest, str) for digest in record[:2]):
        raise ValueError("it is not what `eb` writes of a layer (a digest is no text)")
    return record
