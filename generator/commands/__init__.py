"""The subcommands, a module each: what it is for, its arguments, and what it does with them.

A module has ``EXAMPLE`` (a line to type), ``add_arguments(parser)`` and ``run(options, console)``, which returns the
exit status. What a command is for, in a line, stands in `COMMANDS`, so that ``ebsif --help`` need not import them all.
"""

COMMANDS = {
    "inspect": "inspect a base, and write what is in it (its manifest)",
    "freeze": "copy an image to the site's frozen images, with its manifest",
    "new": "write a recipe for a base",
    "generate": "turn a recipe into a locked easyconfig",
    "bump": "make the next version of a recipe, and tell what changes",
    "diff": "compare two recipes, easyconfigs, manifests or images",
    "list": "list the bases of a site, or easyconfigs",
    "check": "check a recipe or an easyconfig",
    "doctor": "tell what this machine lacks",
    "deploy": "copy easyblocks and easyconfigs into a user repository of EasyBuild",
    "build": "generate an easyconfig, install it, and tell how to load it",
    "verify": "prove that an installed layer is what its easyconfig gives",
    "sign": "sign what is written down of an installed layer",
    "jobscript": "write a job script for a module",
    "feature": "write down the MPI of this machine as a feature for modules",
    "export": "write a layer as a file that other tools take",
    "sbom": "write a CycloneDX list of what is inside",
    "schema": "print the JSON schema of recipes, sites, features or manifests",
    "completion": "print the completion script for a shell",
}
