//! Programs of Debian packages that cannot be installed without removing what the user has: unpacked beside
//! the system, under `target/`, with the libraries that the system lacks for them.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::progress::{Step, retry};
use crate::workspace;

/// Which packages apt would install for one, and what it would remove.
struct Plan {
    install: Vec<String>,
    remove: Vec<String>,
}

impl Plan {
    fn of(package: &str) -> Result<Self> {
        let arguments = ["install", "--simulate", "--no-install-recommends", package];
        let output = workspace::quiet(Command::new("apt-get").args(arguments))?;
        let text = String::from_utf8_lossy(&output);
        let names = |action: &str| {
            let names = text.lines().filter_map(|line| line.strip_prefix(action)?.split_whitespace().next());
            names.map(str::to_owned).collect()
        };
        Ok(Self { install: names("Inst "), remove: names("Remv ") })
    }
}

/// What apt would have to remove to install a package.
pub(super) fn in_the_way_of(package: &str) -> Result<Vec<String>> {
    Ok(Plan::of(package)?.remove)
}

/// Fetches a package and what the system lacks for it, and makes `program` of it one that
/// [`workspace::find_program`] finds.
pub(super) fn unpack(package: &str, program: &str) -> Result<()> {
    let programs = workspace::directory("programs")?;
    let downloads = tempfile::tempdir_in(&programs)?;
    let plan = Plan::of(package)?;
    let fetch = Step::new(format!("fetching {package}, to use it without installing it"));
    let fetched = retry(&format!("fetching {package}"), || {
        let mut client = Command::new("apt-get");
        client.current_dir(&downloads);
        if rustix::process::geteuid().is_root() {
            // The user that apt downloads as may be unable to enter the workspace.
            client.arg("-oAPT::Sandbox::User=root");
        }
        workspace::quiet(client.arg("download").args(&plan.install)).map(drop)
    });
    fetch.end(fetched)?;

    let unpack = Step::new(format!("unpacking {package}"));
    unpack.end(install_beside(&programs, downloads.path(), package, program))
}

fn install_beside(programs: &Path, downloads: &Path, package: &str, program: &str) -> Result<()> {
    let unpacked = tempfile::tempdir_in(programs)?;
    for entry in fs::read_dir(downloads)? {
        let file = entry?.path();
        workspace::quiet(Command::new("dpkg").arg("-x").arg(&file).arg(unpacked.path()))?;
    }
    let file = Path::new("usr/bin").join(program);
    if !unpacked.path().join(&file).is_file() {
        bail!("the package {package} has no {program}");
    }
    let root = programs.join(package);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot replace {}", root.display()))?;
    }
    fs::rename(unpacked.keep(), &root).with_context(|| format!("cannot keep {}", root.display()))?;
    write_starter(&programs.join("bin"), program, &root.join(&file), &libraries(&root)?)
}

/// The directories of shared libraries below `root`.
fn libraries(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in ["usr/lib", "lib"].map(|name| root.join(name)) {
        let Ok(entries) = fs::read_dir(&parent) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Writes a script that becomes `file`, with its libraries; it takes no process of its own.
fn write_starter(directory: &Path, program: &str, file: &Path, libraries: &[PathBuf]) -> Result<()> {
    fs::create_dir_all(directory)?;
    let starter = directory.join(program);
    let mut path = OsString::new();
    for library in libraries {
        path.push(library);
        path.push(":");
    }
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}'\"${{LD_LIBRARY_PATH-}}\"\nexport LD_LIBRARY_PATH\nexec '{}' \"$@\"\n",
        path.display(),
        file.display()
    );
    let cannot = || format!("cannot write {}", starter.display());
    fs::write(&starter, text).with_context(cannot)?;
    fs::set_permissions(&starter, fs::Permissions::from_mode(0o755)).with_context(cannot)
}
