//! Where things are: the workspace, and what the commands keep under `target/`.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{IsTerminal as _, stderr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};

use crate::setup::TargetBuild;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path))
}

/// What is fetched once and kept: kernels, packages, logs.
pub(crate) fn cache() -> PathBuf {
    target().join("trapline")
}

/// A directory of the cache, made where it is missing.
pub(crate) fn directory(name: &str) -> Result<PathBuf> {
    let directory = cache().join(name);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// A file to keep a record in.
pub(crate) fn log(name: &str) -> Result<PathBuf> {
    Ok(directory("log")?.join(name))
}

/// A record of this command's own, as long as its file stays open: others that are at work have theirs under other
/// names.
pub(crate) fn own_log(name: &str) -> Result<(PathBuf, File)> {
    for number in 1_u32.. {
        let path = log(&if number == 1 { format!("{name}.log") } else { format!("{name}-{number}.log") })?;
        let cannot = || format!("cannot write {}", path.display());
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(false).open(&path).with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => return Ok((path, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
    }
    bail!("there are too many records called {name}")
}

/// The file of a program that the shell would find, or that is kept beside the system.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([cache().join("programs/bin")])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

/// What to start for a program: its file, or its name where it is not found.
pub(crate) fn program(name: &str) -> OsString {
    find_program(name).map_or_else(|| name.into(), PathBuf::into_os_string)
}

/// Runs a command without showing what it says; answers its output, or fails with what it says is wrong.
pub(crate) fn quiet(command: &mut Command) -> Result<Vec<u8>> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy()).filter(|word| !word.starts_with('-'));
    let name = words.collect::<Vec<_>>().join(" ");
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    // The first line that calls itself an error, or else the last of all.
    let error =
        lines.clone().find(|line| ["E: ", "error", "fatal"].iter().any(|word| line.starts_with(word)));
    let reason = error.or_else(|| lines.next_back()).unwrap_or("it does not say why");
    bail!("{name} failed ({}): {reason}", output.status)
}

/// Cargo, the one that runs this.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds one program for a target with cargo, which shows its own progress on a terminal; answers the file
/// of it.
pub(crate) fn build(target: &str, arguments: &[&str]) -> Result<PathBuf> {
    let TargetBuild { options, environment, .. } = TargetBuild::of(target)?;
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics"]).args(arguments);
    command.args(options).envs(environment);
    built(command, arguments)
}

/// Builds one program for this machine.
pub(crate) fn build_here(arguments: &[&str]) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--message-format=json-render-diagnostics"]).args(arguments);
    built(command, arguments)
}

/// The program that `cargo build` with these arguments builds.
fn built(mut command: Command, arguments: &[&str]) -> Result<PathBuf> {
    /// What was built already: nothing of it changes while this program runs.
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let what = arguments.join(" ");
    // A map stays whole whatever panics beside it.
    let mut known = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = known.get(&what) {
        return Ok(file.clone());
    }
    if !stderr().is_terminal() {
        command.arg("--quiet");
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo build {what} failed");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    // The one thing wanted of cargo's messages; paths with quotes or backslashes are not worth a parser.
    let file = messages.lines().filter_map(|line| line.split_once("\"executable\":\"")).next_back();
    let file = file.and_then(|(_, rest)| rest.split_once('"'));
    let file = file.with_context(|| format!("cargo build {what} built no program"))?.0;
    Ok(known.entry(what).or_insert(file.into()).clone())
}
