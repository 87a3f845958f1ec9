
# The container and the layer on it. What is decided here is decided when the module is loaded.
set name __NAME__
# where the base may be, the first that exists is used
set images __IMAGES__
# size of the base, and its identifier; or nothing
set identity __IDENTITY__
# source on the host, bind specification
set binds __BINDS__
set container_path __PATH__
# folders, or nothing
set library_path __LIBRARY_PATH__
# name, value for the runtime to evaluate, value as it is
set container_env __CONTAINER_ENV__
set host_env __HOST_ENV__
# what the name of the runtime's switch for the GPU ends with, or nothing
set gpu __GPU__
set conflicts __CONFLICTS__
set easyconfig __EASYCONFIG__

set unloading [expr {[module-info mode unload] || [module-info mode remove]}]

proc sif_getenv {variable} {
    if {[info exists ::env($variable)]} { return $::env($variable) }
    return ""
}

# While a module is switched or reloaded, Environment Modules still shows the load what the unload has taken back.
set switching [info exists ::env(__EBSIF_LOADED)]

# Value of a variable before this module, or another one of its kind that it takes the place of, was loaded.
proc sif_before {variable} {
    if {$::switching} { return [sif_getenv __EBSIF_SAVED_$variable] }
    return [sif_getenv $variable]
}

# Sets a variable; unloading gives back what it was. Not with pushenv: Environment Modules 5.2 loses the part of
# a value behind a colon, and Lmod in Tcl files takes the new value for the old one (there, unloading unsets).
proc sif_setenv {variable value} {
    set saved __EBSIF_SAVED_$variable
    set had_value [info exists ::env([expr {$::switching ? $saved : $variable}])]
    set before [sif_before $variable]
    setenv $variable $value
    if {$had_value} {
        setenv $saved $before
        # While unloading, this sets.
        if {$::unloading} { unsetenv $variable $before }
    }
}

# The path of a command of the host, empty if there is none: what such a module has put on PATH is the container's.
proc sif_on_path {command} {
    foreach folder [split [sif_getenv PATH] :] {
        set path [file join $folder $command]
        if {$folder ne "" && [file isfile $path] && ![file exists $folder/../runscripts/container.conf]} { return $path }
    }
    return ""
}

# Unloading takes back what the load has set, under the names that the load used.
set runtime ""
if {$unloading} { set runtime [sif_getenv SIFRUNTIME$name] }
if {$runtime eq ""} {
    if {[sif_on_path apptainer] ne ""} { set runtime apptainer } else { set runtime singularity }
    if {[module-info mode load] && [sif_on_path $runtime] eq ""} {
        puts stderr "Neither apptainer nor singularity is on PATH. Load [module-info name] again when one is."
    }
}
set prefix [string toupper $runtime]

# Folders of frozen images may begin with variables, as they are here; empty where one is not set.
proc sif_expanded {path} {
    set expanded ""
    while {[regexp {^([^$]*)\$(\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))(.*)$} $path all before name braced plain after]} {
        if {![info exists ::env($braced$plain)]} { return "" }
        append expanded $before $::env($braced$plain)
        set path $after
    }
    return $expanded$path
}

set sif ""
foreach image $images {
    if {$image ne [lindex $images 0]} { set image [sif_expanded $image] }
    if {$sif eq "" && $image ne "" && [file isfile $image]} { set sif $image }
}
if {$sif eq ""} {
    if {[module-info mode load]} {
        error "The container image of [module-info name] is gone. It was looked for at:\n  [join $images "\n  "]\nPut it back, or install the module again: eb --rebuild $easyconfig"
    }
    set sif [lindex $images 0]
}
# Its size, and the identifier at its beginning, tell that it is another one: its SHA256 would take too long.
if {$identity ne "" && [module-info mode load] && [file readable $sif]} {
    set handle [open $sif rb]
    binary scan [string range [read $handle 64] 48 63] H* id
    close $handle
    if {"[file size $sif] $id" ne $identity} {
        puts stderr "The container image $sif is not the one that [module-info name] was installed with. Put that one back, or install the module again: eb --rebuild $easyconfig"
    }
}

if {[llength [info commands family]]} { family ebsif }
foreach other $conflicts { conflict $other }

# Binds go into the runtime's second list of binds: the first, which users and other modules set, stays theirs.
# What is bound there already, as written here or elsewhere to the same place, wins: the runtime would complain.
proc sif_destination {spec} {
    lassign [split $spec :] source place
    if {$place eq ""} { set place $source }
    return [string trimright $place /]
}
set user_specs ",[sif_getenv APPTAINER_BIND],[sif_getenv SINGULARITY_BIND],"
set taken [list]
foreach spec [split $user_specs ,] { if {$spec ne ""} { lappend taken [sif_destination $spec] } }
set kept [list]
foreach entry $binds { if {[sif_destination [lindex $entry 1]] ni $taken} { lappend kept $entry } }
set binds $kept
set specs [list]
set runscripts $root/runscripts
lappend binds [list $runscripts $runscripts:/runscripts:ro]
if {[file isfile $root/user-software.squashfs]} {
    lappend binds [list $root/user-software.squashfs $root/user-software.squashfs:/user-software:image-src=/,ro]
} else {
    lappend binds [list $root/user-software $root/user-software:/user-software]
}
foreach entry $binds {
    set spec [lindex $entry 1]
    if {[file exists [lindex $entry 0]] && [string first ,$spec, $user_specs] < 0} { lappend specs $spec }
}

# Apptainer ignores a variable of Singularity when its own is set, so the one that the user has is extended.
proc sif_used_variable {name} {
    if {[info exists ::env(SINGULARITY$name)] && ![info exists ::env(APPTAINER$name)]} { return SINGULARITY$name }
    return $::prefix$name
}
set bindpath [sif_getenv __EBSIF_BINDPATH]
if {$bindpath eq ""} { set bindpath [sif_used_variable _BINDPATH] }
set before [sif_before $bindpath]
if {$before ne ""} { lappend specs $before }
sif_setenv $bindpath [join $specs ,]
setenv __EBSIF_BINDPATH $bindpath

set path_variables [list [sif_used_variable ENV_PREPEND_PATH]]
if {$unloading} { set path_variables [list APPTAINERENV_PREPEND_PATH SINGULARITYENV_PREPEND_PATH] }
foreach variable $path_variables {
    for {set index [expr {[llength $container_path] - 1}]} {$index >= 0} {incr index -1} {
        prepend-path $variable [lindex $container_path $index]
    }
}
# A runtime that the user has told not to evaluate values gets them as they are.
proc sif_is_on {name} {
    set value [sif_getenv APPTAINER_$name]
    if {$value eq ""} { set value [sif_getenv SINGULARITY_$name] }
    return [expr {$value ni {"" 0 false}}]
}
set form [expr {[sif_is_on NO_EVAL] || [sif_is_on COMPAT] ? 2 : 1}]
set libraries [sif_before ${prefix}ENV_LD_LIBRARY_PATH]
if {$libraries eq ""} { set libraries [sif_before SINGULARITYENV_LD_LIBRARY_PATH] }
foreach entry $container_env {
    lassign [list [lindex $entry 0] [lindex $entry $form]] variable value
    # Lmod cuts off blanks at the end of what a module in Tcl sets. This is nothing, whatever PWD is.
    if {$form == 1 && [string index $value end] eq " "} { append value {${PWD:+}} }
    if {$variable eq "LD_LIBRARY_PATH" && $library_path ne ""} { set libraries $value } else { sif_setenv ${prefix}ENV_$variable $value }
}
# Before the libraries that activating sets, or else the user, or else the image, which the runtime looks up there.
if {$library_path ne ""} {
    set behind [expr {$form == 2 ? "" : "\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"}]
    if {$libraries ne ""} { set behind :$libraries }
    sif_setenv ${prefix}ENV_LD_LIBRARY_PATH $library_path$behind
}

foreach variable [list SIF SIF$name] { sif_setenv $variable $sif }
foreach variable [list RUNSCRIPTS RUNSCRIPTS$name] { sif_setenv $variable $runscripts }
sif_setenv CONTAINERROOT $root
sif_setenv SIFRUNTIME$name $runtime
foreach entry $host_env { sif_setenv [lindex $entry 0] [lindex $entry 1] }

# Both names, since a command may start where the other runtime is. What the user has set is kept.
if {$gpu ne ""} {
    set switches [list APPTAINER_$gpu SINGULARITY_$gpu]
    set value 1
    foreach switch [lreverse $switches] { if {[sif_before $switch] ne ""} { set value [sif_before $switch] } }
    foreach switch $switches {
        if {[sif_before $switch] eq ""} { sif_setenv $switch $value } else { sif_setenv $switch [sif_before $switch] }
    }
}
# Slurm runs it behind each task: it clears the caches.
set epilog [sif_before SLURM_TASK_EPILOG]
sif_setenv SLURM_TASK_EPILOG [expr {$epilog ne "" ? $epilog : "$runscripts/task-epilog"}]
setenv __EBSIF_LOADED $name

# eb runs with the Python of EB_INSTALLPYTHON, and else with the one that it finds on PATH, which ours hides.
if {[sif_getenv EB_INSTALLPYTHON] in [list "" [sif_getenv __EBSIF_PYTHON]]} {
    set python [sif_on_path python3]
    setenv EB_INSTALLPYTHON $python
    setenv __EBSIF_PYTHON $python
}
