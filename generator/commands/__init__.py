"""The subcommands, a module each: what it is for, its arguments, and what it does with them.

A module has ``EXAMPLE`` (a line to type), ``add_arguments(parser)`` and ``run(options, console)``, which returns the
exit status. What a command is for, in a line, stands in `COMMANDS`, so that ``ebsif --help`` need not import them all.
"""

COMMANDS = {
    "inspect": "inspect a base, and write what is in it (its manifest)",
    "freeze": "copy an image to the site's frozen images, with its manifest",
    "new": "write a recipe for a base",
    "adopt": "write a recipe for what somebody has installed by hand",
    "generate": "turn a recipe into a locked easyconfig",
    "bump": "make the next version of a recipe, and tell what changes",
    "diff": "compare two recipes, easyconfigs, manifests or images",
    "list": "list the bases of a site, easyconfigs, and what is installed",
    "show": "show what an installed module is, and has",
    "search": "tell which bases, easyconfigs and modules have a package",
    "kernel": "let Jupyter start the Python of an installed module",
    "check": "check recipes and easyconfigs",
    "prune": "remove old installations, images and files that nothing uses",
    "doctor": "tell what this machine lacks",
    "selftest": "try an installed module on this machine, and report what was found",
    "deploy": "copy easyblocks and easyconfigs into a user repository of EasyBuild",
    "build": "generate an easyconfig, install it, and tell how to load it",
    "verify": "prove that an installed layer is what its easyconfig gives",
    "sign": "sign what is written down of an installed layer",
    "jobscript": "write a job script for a module",
    "feature": "write down the MPI of this machine as a feature for modules",
    "export": "write a layer as a file that other tools take",
    "pack": "put an easyconfig and all files that it needs into one archive",
    "unpack": "verify such an archive and unpack it, for a machine without network",
    "sbom": "write a CycloneDX list of what is inside",
    "schema": "print the JSON schema of recipes, sites, features or manifests",
    "completion": "print the completion script for a shell",
}
