//! Programs of Debian packages that cannot be installed without removing what the user has: unpacked beside
//! the system, under `target/`, with the libraries that the system lacks for them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

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
    if !unpacked.path().join("usr/bin").join(program).is_file() {
        bail!("the package {package} has no {program}");
    }
    let root = programs.join(package);
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot replace {}", root.display()))?;
    }
    fs::rename(unpacked.keep(), &root).with_context(|| format!("cannot keep {}", root.display()))?;
    write_starter(programs, package, program)
}

/// Writes a script that becomes the program, with its libraries; it takes no process of its own. It finds
/// both from where it lies itself, for the workspace may be moved.
fn write_starter(programs: &Path, package: &str, program: &str) -> Result<()> {
    let mut libraries = Vec::new();
    for parent in ["usr/lib", "lib"] {
        let Ok(entries) = fs::read_dir(programs.join(package).join(parent)) else { continue };
        for entry in entries {
            let name = entry?.file_name().into_string().unwrap_or_default();
            if name.ends_with("-linux-gnu") {
                libraries.push(format!("$root/{parent}/{name}"));
            }
        }
    }
    let text = format!(
        "#!/bin/sh\n\
         root=$(dirname \"$0\")/../{package}\n\
         LD_LIBRARY_PATH={}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n\
         export LD_LIBRARY_PATH\n\
         exec \"$root/usr/bin/{program}\" \"$@\"\n",
        libraries.join(":")
    );
    let directory = programs.join("bin");
    fs::create_dir_all(&directory)?;
    let starter = directory.join(program);
    let cannot = || format!("cannot write {}", starter.display());
    fs::write(&starter, text).with_context(cannot)?;
    fs::set_permissions(&starter, fs::Permissions::from_mode(0o755)).with_context(cannot)
}
