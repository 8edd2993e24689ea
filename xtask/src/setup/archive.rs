//! Debian's packages for arm64, fetched with apt's own clients into lists and caches of our own, so that
//! nothing of the user's system changes and nothing is installed.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::progress::{Step, retry};
use crate::workspace;

/// The keys of Debian's archive.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The release to take packages from where this system is no Debian.
const RELEASE: &str = "bookworm";

/// The releases that other kernels are looked for in, and whether they have security updates of their own.
const RELEASES: [(&str, bool); 5] =
    [("bullseye", true), ("bookworm", true), ("trixie", true), ("forky", false), ("sid", false)];

/// Debian's archive as this project sees it.
pub(crate) struct Archive {
    directory: PathBuf,
    /// A list of sources of our own, where the system's have nothing for arm64.
    sources: Option<PathBuf>,
}

/// A package in the archive.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl Archive {
    /// Opens the archive: with the system's sources where they have `probe`, else with Debian's own.
    pub(crate) fn open(probe: &str) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg"] {
            if workspace::find_program(program).is_none() {
                bail!("there is no {program} here, and it comes from Debian's archive");
            }
        }
        let directory = workspace::cache().join("apt");
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(name))
                .with_context(|| format!("cannot make {}", directory.join(name).display()))?;
        }
        let mut archive = Self { directory, sources: None };
        let step = Step::new("reading Debian's package lists for arm64");
        let mut found = archive.update().and_then(|()| archive.package(probe));
        if found.is_err() {
            let release = codename().unwrap_or_else(|| RELEASE.to_owned());
            archive.sources = Some(archive.write_sources(&[(&release, true)])?);
            found = retry("reading Debian's package lists", || {
                archive.update().and_then(|()| archive.package(probe))
            });
        }
        step.end(found)?;
        Ok(archive)
    }

    /// Opens the archive with all releases of Debian; `probe` is a package of them all.
    pub(crate) fn open_all(probe: &str) -> Result<Self> {
        let directory = workspace::cache().join("apt-all");
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(name))?;
        }
        let mut archive = Self { directory, sources: None };
        archive.sources = Some(archive.write_sources(&RELEASES)?);
        let step = Step::new("reading the package lists of all releases of Debian for arm64");
        // A release that is no more fails, and what the others have is there nevertheless.
        let updated = archive.update().or_else(|_| archive.package(probe).map(drop));
        step.end(updated)?;
        Ok(archive)
    }

    fn update(&self) -> Result<()> {
        workspace::quiet(self.client("apt-get").arg("update")).map(drop)
    }

    /// What the archive says of a package.
    pub(crate) fn package(&self, name: &str) -> Result<Package> {
        let output = workspace::quiet(self.client("apt-cache").args(["show", "--no-all-versions", name]))?;
        let text = String::from_utf8_lossy(&output);
        let size = text.lines().find_map(|line| line.strip_prefix("Size: "));
        let size = size.and_then(|size| size.trim().parse().ok());
        let size = size.ok_or_else(|| anyhow!("Debian has no package {name} for arm64"))?;
        Ok(Package { name: name.to_owned(), size })
    }

    /// The packages that `name` depends on.
    pub(crate) fn dependencies(&self, name: &str) -> Result<Vec<String>> {
        let output = workspace::quiet(self.client("apt-cache").args(["depends", "--important", name]))?;
        let text = String::from_utf8_lossy(&output);
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// The packages whose name begins so.
    pub(crate) fn names(&self, beginning: &str) -> Result<Vec<String>> {
        let output = workspace::quiet(self.client("apt-cache").args(["pkgnames", beginning]))?;
        Ok(String::from_utf8_lossy(&output).lines().map(str::to_owned).collect())
    }

    /// Fetches a package and unpacks it into `into`. The package itself is not kept.
    pub(crate) fn unpack(&self, package: &Package, into: &Path) -> Result<()> {
        let downloads = tempfile::tempdir_in(&self.directory)?;
        let megabytes = package.size as f64 / 1e6;
        let step = Step::download(format!("fetching {} ({megabytes:.1} MB)", package.name), package.size);
        let download = || {
            let mut client = self.client("apt-get");
            client.current_dir(&downloads).args(["download", &package.name]);
            workspace::quiet(&mut client).map(drop)
        };
        let fetched =
            step.follow(downloads.path(), || retry(&format!("fetching {}", package.name), download));
        step.end(fetched)?;

        let step = Step::new(format!("unpacking {}", package.name));
        let mut files = fs::read_dir(&downloads)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let file = files.find(|file| file.extension().is_some_and(|extension| extension == "deb"));
        let file = file.ok_or_else(|| anyhow!("apt-get download {} brought no package", package.name))?;
        step.end(workspace::quiet(Command::new("dpkg").arg("-x").arg(&file).arg(into))).map(drop)
    }

    /// Fetches a package and all that it depends on, and unpacks them into `into`.
    pub(crate) fn unpack_with_dependencies(&self, name: &str, into: &Path) -> Result<()> {
        let arguments = ["install", "--simulate", "--no-install-recommends", name];
        let plan = workspace::quiet(self.client("apt-get").args(arguments))?;
        let plan = String::from_utf8_lossy(&plan);
        let names = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next());
        let names: Vec<_> = names.collect();
        let downloads = tempfile::tempdir_in(&self.directory)?;
        let step = Step::new(format!("fetching {name} for arm64, and {} packages for it", names.len()));
        let fetched = retry(&format!("fetching {name}"), || {
            let mut client = self.client("apt-get");
            client.current_dir(&downloads).arg("download").args(&names);
            workspace::quiet(&mut client).map(drop)
        });
        step.end(fetched)?;
        let step = Step::new(format!("unpacking {name}"));
        let unpack = || {
            for entry in fs::read_dir(&downloads)? {
                workspace::quiet(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(into))?;
            }
            Ok(())
        };
        step.end(unpack())
    }

    fn write_sources(&self, releases: &[(&str, bool)]) -> Result<PathBuf> {
        let path = self.directory.join("sources.list");
        let mut text = String::new();
        let mut line = |archive: &str, suite: &str| {
            text += &format!("deb [signed-by={KEYRING}] http://deb.debian.org/{archive} {suite} main\n");
        };
        for (release, security) in releases {
            line("debian", release);
            if *security {
                line("debian-security", &format!("{release}-security"));
            }
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let mut option = |name: &str, value: &Path| {
            let mut option = OsString::from(format!("-o{name}="));
            option.push(value);
            command.arg(option);
        };
        option("APT::Architecture", Path::new("arm64"));
        option("APT::Architectures", Path::new("arm64"));
        option("Acquire::Languages", Path::new("none"));
        option("Dir::State::Lists", &self.directory.join("lists"));
        option("Dir::State::status", Path::new("/dev/null"));
        option("Dir::Cache", &self.directory.join("cache"));
        option("Debug::NoLocking", Path::new("1"));
        if rustix::process::geteuid().is_root() {
            // The user that apt downloads as may be unable to enter the workspace.
            option("APT::Sandbox::User", Path::new("root"));
        }
        if let Some(sources) = &self.sources {
            option("Dir::Etc::SourceList", sources);
            option("Dir::Etc::SourceParts", Path::new("/dev/null"));
        }
        command
    }
}

/// The release of this system, where it is Debian.
fn codename() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_matches('"').to_owned())
    };
    (value("ID=")? == "debian").then(|| value("VERSION_CODENAME="))?
}
