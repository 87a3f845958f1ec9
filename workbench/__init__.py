"""Prepares on a machine all that the demo and the tests of this project need, and tells where it is.

``python3 -m workbench prepare`` does the work; `prepared` gives the result to Python code.
"""

from workbench.errors import NotPreparedError, WorkbenchError
from workbench.machine import Machine, prepared
from workbench.modules import ModuleTool

__all__ = ["Machine", "ModuleTool", "NotPreparedError", "WorkbenchError", "prepared"]
