"""An easyconfig with a lock."""

DIGEST = "0" * 63 + "a"
LOCKED = f"""\
# Made by ebsif 0.2.0 from 'demo.yml': change that, and run `ebsif generate` again.
# Lock: {DIGEST}

name = 'Demo'
toolchain = SYSTEM
build_packages = ['setuptools']
exts_default_options = {{'source_urls': [PYPI_SOURCE]}}
exts_list = [
    ('pip', '26.3', {{
        'sources': ['pip-26.3-py3-none-any.whl'],
        'checksums': ['{"1" * 64}'],
    }}),
    ('own', '1.0', {{
        'source_urls': ['https://example.org/wheels'],
        'sources': ['own-1.0-py3-none-any.whl'],
        'checksums': ['{"2" * 64}'],
    }}),
    ('setuptools', '80.0', {{
        'sources': ['setuptools-80.0-py3-none-any.whl'],
        'checksums': ['{"3" * 64}'],
    }}),
]
"""
