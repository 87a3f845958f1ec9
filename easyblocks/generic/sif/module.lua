
-- The container and the layer on it. What is decided here is decided when the module is loaded.
local name = __NAME__
local images = __IMAGES__            -- where the base may be, the first that exists is used
local identity = __IDENTITY__        -- size of the base, and its identifier; or nothing
local binds = __BINDS__              -- source on the host, bind specification
local container_path = __PATH__
local library_path = __LIBRARY_PATH__    -- folders, or nothing
local container_env = __CONTAINER_ENV__    -- name, value for the runtime to evaluate, value as it is
local host_env = __HOST_ENV__
local gpu = __GPU__                  -- what the name of the runtime's switch for it ends with, or nothing
local conflicts = __CONFLICTS__
local easyconfig = __EASYCONFIG__

local unloading = mode() == "unload"

-- Not isFile, which is true for a link whose target is gone, and false for a device or a socket.
local function exists(path)
    return lfs.attributes(path, "mode") ~= nil
end

-- The path of a command of the host, nil if there is none: what such a module has put on PATH is the container's.
local function on_path(command)
    for folder in (os.getenv("PATH") or ""):gmatch("[^:]+") do
        local path = pathJoin(folder, command)
        if exists(path) and not exists(folder .. "/../runscripts/container.conf") then return path end
    end
end

-- Unloading takes back what the load has set, under the names that the load used.
local runtime = unloading and os.getenv("SIFRUNTIME" .. name) or nil
if not runtime then
    runtime = on_path("apptainer") and "apptainer" or "singularity"
    if mode() == "load" and not on_path(runtime) then
        LmodWarning("Neither apptainer nor singularity is on PATH. Load " .. myModuleFullName() .. " again when one is.")
    end
end
local prefix = runtime:upper()

-- Folders of frozen images may begin with variables, as they are here; nil where one is not set.
local function expanded(path)
    local known = true
    local text = path:gsub("%$({?)([%a_][%w_]*)}?", function(_, variable)
        local value = os.getenv(variable)
        if not value then known = false end
        return value
    end)
    return known and text or nil
end

local sif
for index, image in ipairs(images) do
    local path = index == 1 and image or expanded(image)
    if not sif and path and exists(path) then sif = path end
end
if not sif and mode() == "load" then
    LmodError("The container image of " .. myModuleFullName() .. " is gone. It was looked for at:\n  " ..
              table.concat(images, "\n  ") .. "\nPut it back, or install the module again: eb --rebuild " .. easyconfig)
end

-- Its size, and the identifier at its beginning, tell that it is another one: its SHA256 would take too long.
local file = sif and identity ~= "" and mode() == "load" and io.open(sif, "rb")
if file then
    local header = file:read(64) or ""
    file:close()
    local id = header:sub(49, 64):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
    if ("%d %s"):format(lfs.attributes(sif, "size"), id) ~= identity then
        LmodWarning("The container image " .. sif .. " is not the one that " .. myModuleFullName() ..
                    " was installed with. Put that one back, or install the module again: eb --rebuild " .. easyconfig)
    end
end

family("ebsif")
for _, other in ipairs(conflicts) do conflict(other) end

-- Binds go into the runtime's second list of binds: the first, which users and other modules set, stays theirs.
-- What is bound there already, as written here or elsewhere to the same place, wins: the runtime would complain.
local specs = {}
local user_specs = "," .. (os.getenv("APPTAINER_BIND") or "") .. "," .. (os.getenv("SINGULARITY_BIND") or "") .. ","
local function bind(spec)
    if not user_specs:find("," .. spec .. ",", 1, true) then specs[#specs + 1] = spec end
end
local function destination(spec)
    local source, place = spec:match("^([^:]*):?([^:]*)")
    return ((place ~= "" and place or source):gsub("/+$", ""))
end
local taken = {}
for spec in user_specs:gmatch("[^,]+") do taken[destination(spec)] = true end
for _, entry in ipairs(binds) do
    if exists(entry[1]) and not taken[destination(entry[2])] then bind(entry[2]) end
end
local runscripts = pathJoin(root, "runscripts")
if exists(runscripts) then bind(runscripts .. ":/runscripts:ro") end
local squashfs, folder = pathJoin(root, "user-software.squashfs"), pathJoin(root, "user-software")
if exists(squashfs) then
    bind(squashfs .. ":/user-software:image-src=/,ro")
elseif exists(folder) then
    bind(folder .. ":/user-software")
end

-- Apptainer ignores a variable of Singularity when its own is set, so the one that the user has is extended.
local function used_variable(name)
    if os.getenv("SINGULARITY" .. name) and not os.getenv("APPTAINER" .. name) then return "SINGULARITY" .. name end
    return prefix .. name
end
local bindpath = unloading and os.getenv("__EBSIF_BINDPATH") or used_variable("_BINDPATH")
local before = os.getenv(bindpath)
if before and before ~= "" then specs[#specs + 1] = before end
pushenv(bindpath, table.concat(specs, ","))
setenv("__EBSIF_BINDPATH", bindpath)

local path_variables = { used_variable("ENV_PREPEND_PATH") }
if unloading then
    path_variables = { "APPTAINERENV_PREPEND_PATH", "SINGULARITYENV_PREPEND_PATH" }
end
for _, variable in ipairs(path_variables) do
    for index = #container_path, 1, -1 do
        prepend_path(variable, container_path[index])
    end
end
-- A runtime that the user has told not to evaluate values gets them as they are.
local function is_on(name)
    local value = os.getenv("APPTAINER_" .. name) or os.getenv("SINGULARITY_" .. name) or ""
    return value ~= "" and value ~= "0" and value ~= "false"
end
local as_they_are = is_on("NO_EVAL") or is_on("COMPAT")
local libraries = os.getenv(prefix .. "ENV_LD_LIBRARY_PATH") or os.getenv("SINGULARITYENV_LD_LIBRARY_PATH")
for _, entry in ipairs(container_env) do
    local value = as_they_are and entry[3] or entry[2]
    if entry[1] == "LD_LIBRARY_PATH" and library_path ~= "" then
        libraries = value
    else
        pushenv(prefix .. "ENV_" .. entry[1], value)
    end
end
-- Before the libraries that activating sets, or else the user, or else the image, which the runtime looks up there.
if library_path ~= "" then
    local behind = as_they_are and "" or "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    if libraries and libraries ~= "" then behind = ":" .. libraries end
    pushenv(prefix .. "ENV_LD_LIBRARY_PATH", library_path .. behind)
end

for _, variable in ipairs({ "SIF", "SIF" .. name }) do pushenv(variable, sif or images[1]) end
for _, variable in ipairs({ "RUNSCRIPTS", "RUNSCRIPTS" .. name }) do pushenv(variable, runscripts) end
pushenv("CONTAINERROOT", root)
pushenv("SIFRUNTIME" .. name, runtime)
for _, entry in ipairs(host_env) do
    pushenv(entry[1], entry[2])
end

-- Both names, since a command may start where the other runtime is. What the user has set is kept.
local function own(variable)
    local value = os.getenv(variable)
    return value ~= "" and value or nil
end
if gpu ~= "" then
    local switches = { "APPTAINER_" .. gpu, "SINGULARITY_" .. gpu }
    local value = own(switches[1]) or own(switches[2]) or "1"
    for _, switch in ipairs(switches) do pushenv(switch, own(switch) or value) end
end
-- Slurm runs it behind each task: it clears the caches.
pushenv("SLURM_TASK_EPILOG", own("SLURM_TASK_EPILOG") or pathJoin(runscripts, "task-epilog"))

-- eb runs with the Python of EB_INSTALLPYTHON, and else with the one that it finds on PATH, which ours hides.
local eb_python = os.getenv("EB_INSTALLPYTHON")
if not eb_python or eb_python == os.getenv("__EBSIF_PYTHON") then
    local python = on_path("python3") or "python3"
    setenv("EB_INSTALLPYTHON", python)
    setenv("__EBSIF_PYTHON", python)
end
