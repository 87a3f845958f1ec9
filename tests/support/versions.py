"""Which versions of EasyBuild a test runs with; without a mark, the newest."""

import pytest

from workbench import easybuild

# For tests whose subject is EasyBuild itself.
every_easybuild = pytest.mark.parametrize("version", easybuild.VERSIONS, indirect=True)
# For tests that share an installation with such ones.
newest_easybuild = pytest.mark.parametrize("version", [easybuild.DEFAULT], indirect=True)
