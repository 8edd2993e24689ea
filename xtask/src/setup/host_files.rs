//! The files of the emulated host: Debian's kernel for arm64, its modules, and busybox.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use anyhow::{Context as _, Result, bail};

use super::{archive::Archive, modules::Modules};
use crate::workspace;

/// Drivers of the ports to this machine, in any order.
const CONSOLE: [&str; 2] = ["virtio_mmio", "virtio_console"];
/// Drivers of the network.
const NETWORK: [&str; 1] = ["virtio_net"];
/// The package that depends on the kernel of the release.
const META_PACKAGE: &str = "linux-image-arm64";
const BUSYBOX_PACKAGE: &str = "busybox-static";

/// Which kernel the host runs.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) enum KernelChoice {
    /// That of the Debian release.
    #[default]
    Release,
    /// The newest one of that version, as in `6.12`, or of a flavour of it, as in `6.12-16k`.
    Version(String),
    /// A file, which must have its drivers built in.
    File(PathBuf),
}

impl KernelChoice {
    /// How it is called in messages.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Release => "Debian's kernel and busybox".to_owned(),
            Self::Version(version) => format!("Debian's kernel {version} and busybox"),
            Self::File(_) => "busybox".to_owned(),
        }
    }

    /// The directory where it lies unpacked.
    fn directory(&self) -> Option<PathBuf> {
        let name = match self {
            Self::Release => "default",
            Self::Version(version) => version,
            Self::File(_) => return None,
        };
        Some(directory().join(format!("linux-{name}")))
    }
}

impl FromStr for KernelChoice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_version = |text: &str| {
            let (numbers, flavour) = parts(text);
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            numbers.split('.').all(is_number)
                && (flavour == PLAIN || flavour.len() > PLAIN.len() + 1)
                && flavour.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match text {
            "default" => Ok(Self::Release),
            text if is_version(text) => Ok(Self::Version(text.to_owned())),
            text if text.contains('/') || Path::new(text).exists() => Ok(Self::File(text.into())),
            _ => bail!("`{text}` is neither a kernel version like 6.12, nor `default`, nor a file"),
        }
    }
}

/// What the names of packages with a usual kernel end with.
const PLAIN: &str = "-arm64";

/// The numbers of a version, and what the names of its packages end with.
fn parts(version: &str) -> (&str, String) {
    match version.split_once('-') {
        Some((numbers, flavour)) => (numbers, format!("{PLAIN}-{flavour}")),
        None => (version, PLAIN.to_owned()),
    }
}

/// Where the files are.
pub(crate) struct HostFiles {
    /// The kernel image.
    pub(crate) kernel: PathBuf,
    /// Drivers of the ports, in the order to load them.
    pub(crate) console: Vec<PathBuf>,
    /// Drivers of the network, in the order to load them.
    pub(crate) network: Vec<PathBuf>,
    /// The shell and tools.
    pub(crate) busybox: PathBuf,
}

impl HostFiles {
    /// Whether all of them are there.
    pub(crate) fn are_there(kernel: &KernelChoice) -> bool {
        Self::busybox().is_file() && kernel.directory().is_none_or(|directory| directory.is_dir())
    }

    /// Finds them once they are there.
    pub(crate) fn find(kernel: &KernelChoice) -> Result<Self> {
        let directory = match kernel {
            KernelChoice::File(file) => {
                let (kernel, busybox) = (file.clone(), Self::busybox());
                return Ok(Self { kernel, console: Vec::new(), network: Vec::new(), busybox });
            }
            kernel => kernel.directory().context("this kernel has no directory")?,
        };
        let files = |name: &str| -> Result<Vec<PathBuf>> {
            let entries = fs::read_dir(directory.join(name))
                .with_context(|| format!("{} is incomplete: remove it", directory.display()))?;
            let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
            files.sort();
            Ok(files)
        };
        Ok(Self {
            kernel: directory.join("vmlinuz"),
            console: files("console")?,
            network: files("network")?,
            busybox: Self::busybox(),
        })
    }

    /// The shell and tools, once they are there.
    pub(crate) fn busybox() -> PathBuf {
        directory().join("busybox/busybox")
    }

    /// What to do by hand when they cannot be fetched: packages that were put into [`packages`] are used.
    pub(crate) fn by_hand(kernel: &KernelChoice) -> String {
        let meta = match kernel {
            KernelChoice::Version(version) => {
                let (numbers, flavour) = parts(version);
                format!("linux-image-{numbers}{flavour}")
            }
            KernelChoice::Release | KernelChoice::File(_) => META_PACKAGE.to_owned(),
        };
        let image = format!("$(apt-cache depends {meta}:arm64 | grep -o 'linux-image-[0-9].*')");
        let packages = packages();
        let directory = packages.display();
        format!(
            "dpkg --add-architecture arm64 && apt-get update, as root; then mkdir -p {directory} && cd \
             {directory} && apt-get download {BUSYBOX_PACKAGE}:arm64 {image}"
        )
    }

    /// Fetches what is missing of them.
    pub(crate) fn fetch(kernel: &KernelChoice) -> Result<()> {
        let mut archive = None;
        if !Self::busybox().is_file() {
            let source = Source {
                beginning: format!("{BUSYBOX_PACKAGE}_"),
                end: String::new(),
                name: &|_| Ok(BUSYBOX_PACKAGE.to_owned()),
            };
            source.fetch(&mut archive, &directory().join("busybox"), keep_of_busybox)?;
        }
        let Some(directory) = kernel.directory().filter(|directory| !directory.is_dir()) else {
            return Ok(());
        };
        let (beginning, end) = match kernel {
            KernelChoice::Version(version) => {
                let (numbers, flavour) = parts(version);
                (format!("linux-image-{numbers}."), flavour)
            }
            KernelChoice::Release | KernelChoice::File(_) => ("linux-image-".to_owned(), PLAIN.to_owned()),
        };
        let source = Source { beginning, end, name: &|archive| resolve(archive, kernel) };
        match source.fetch(&mut archive, &directory, keep_of_kernel) {
            Err(error) if error.is::<NoSuchKernel>() => {
                source.fetch(&mut Some(Archive::open_all(BUSYBOX_PACKAGE)?), &directory, keep_of_kernel)
            }
            fetched => fetched,
        }
    }
}

impl fmt::Display for KernelChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.description())
    }
}

fn directory() -> PathBuf {
    workspace::cache().join("host")
}

/// Where packages that were fetched by hand are looked for.
fn packages() -> PathBuf {
    workspace::cache().join("packages")
}

/// Where a package comes from.
struct Source<'a> {
    /// How the name of its file begins, when it was fetched by hand.
    beginning: String,
    /// How its name ends there.
    end: String,
    /// Its name in the archive.
    name: &'a dyn Fn(&Archive) -> Result<String>,
}

impl Source<'_> {
    /// Fetches the package, and keeps in `directory` what `keep` takes of it; all or nothing.
    fn fetch(
        &self,
        archive: &mut Option<Archive>,
        directory: &Path,
        keep: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<()> {
        let parent = directory.parent().context("there is no directory to keep it in")?;
        fs::create_dir_all(parent)?;
        let (unpacked, kept) = (tempfile::tempdir_in(parent)?, tempfile::tempdir_in(parent)?);
        if let Some(file) = self.by_hand() {
            workspace::quiet(Command::new("dpkg").arg("-x").arg(file).arg(unpacked.path()))?;
        } else {
            let archive = match archive {
                Some(archive) => archive,
                None => archive.insert(Archive::open(BUSYBOX_PACKAGE)?),
            };
            let package = archive.package(&(self.name)(archive)?)?;
            archive.unpack(&package, unpacked.path())?;
        }
        keep(unpacked.path(), kept.path())?;
        fs::rename(kept.keep(), directory).with_context(|| format!("cannot keep {}", directory.display()))
    }

    fn by_hand(&self) -> Option<PathBuf> {
        let names = fs::read_dir(packages()).ok()?.filter_map(Result::ok);
        let fits = |name: &str| {
            // A package whose name goes on without a version only depends on others.
            let rest = name.strip_prefix(&self.beginning);
            rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
                && name.split('_').next().is_some_and(|package| package.ends_with(&self.end))
                && name.ends_with("_arm64.deb")
        };
        names
            .map(|entry| entry.path())
            .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(fits))
    }
}

/// Keeps of the unpacked package the one program.
fn keep_of_busybox(unpacked: &Path, to: &Path) -> Result<()> {
    let file = ["bin/busybox", "usr/bin/busybox"].map(|name| unpacked.join(name));
    let file = file.iter().find(|file| file.is_file()).context("the package has no busybox")?;
    fs::rename(file, to.join("busybox")).context("cannot keep busybox")
}

/// The package that has the kernel.
fn resolve(archive: &Archive, kernel: &KernelChoice) -> Result<String> {
    let image = |meta: &str| -> Option<String> {
        let dependencies = archive.dependencies(meta).ok()?;
        dependencies.into_iter().find(|name| name.starts_with("linux-image-"))
    };
    let release = image(META_PACKAGE);
    let KernelChoice::Version(version) = kernel else {
        return release.with_context(|| format!("Debian has no package {META_PACKAGE} for arm64"));
    };
    let (numbers, flavour) = parts(version);
    let beginning = format!("linux-image-{numbers}.");
    let fits = |name: &String| name.starts_with(&beginning) && name.ends_with(&flavour);
    let own = image(&format!("linux-image-{numbers}{flavour}"));
    if let Some(package) = own.or(release.filter(fits)) {
        return Ok(package);
    }
    let all = archive.names("linux-image-")?;
    let plain = |name: &&String| {
        name.ends_with(&flavour) && !["-rt-", "-cloud-", "-unsigned"].iter().any(|part| name.contains(part))
    };
    let plain: Vec<_> = all.iter().filter(plain).collect();
    if let Some(package) = plain.iter().filter(|name| fits(name)).max() {
        return Ok((*package).clone());
    }
    let mut others: Vec<_> = plain.iter().filter_map(|name| version_of(name).map(str::to_owned)).collect();
    others.sort_unstable();
    others.dedup();
    Err(NoSuchKernel { version: version.clone(), others }.into())
}

/// There is no package with that kernel.
#[derive(Debug)]
struct NoSuchKernel {
    version: String,
    others: Vec<String>,
}

impl fmt::Display for NoSuchKernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, others } = self;
        write!(formatter, "Debian has no kernel {version} for arm64, only {}", others.join(", "))
    }
}

impl std::error::Error for NoSuchKernel {}

/// The version of the kernel in a package, two numbers of it: `6.1` of `linux-image-6.1.0-56-arm64`.
fn version_of(package: &str) -> Option<&str> {
    let version = package.strip_prefix("linux-image-")?;
    let (major, minor) = version.split_once('.')?;
    let length = minor.find(|character: char| !character.is_ascii_digit()).unwrap_or(minor.len());
    version.get(..major.len() + 1 + length)
}

/// Keeps of an unpacked kernel package what the host needs: the image and a few drivers.
fn keep_of_kernel(unpacked: &Path, to: &Path) -> Result<()> {
    let image = fs::read_dir(unpacked.join("boot"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz")))
        .context("the package has no kernel image")?;
    let modules = [unpacked.join("lib/modules"), unpacked.join("usr/lib/modules")];
    let modules = modules.iter().find(|path| path.is_dir()).context("the package has no modules")?;
    let modules = Modules::find(modules)?;
    for (kind, names) in [("console", &CONSOLE[..]), ("network", &NETWORK[..])] {
        fs::create_dir(to.join(kind))?;
        for (number, (name, content)) in modules.with_dependencies(names)?.into_iter().enumerate() {
            fs::write(to.join(kind).join(format!("{number:02}-{name}.ko")), content)?;
        }
    }
    fs::rename(image, to.join("vmlinuz"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_which_kernel_it_has() {
        assert_eq!(version_of("linux-image-6.1.0-56-arm64"), Some("6.1"));
        assert_eq!(version_of("linux-image-6.12.117+deb12-arm64"), Some("6.12"));
        assert_eq!(version_of("linux-image-6.12-arm64"), Some("6.12"));
        assert_eq!(version_of("linux-image-arm64"), None);
    }

    #[test]
    fn a_kernel_is_a_version_or_a_file() {
        let parse = |text: &str| text.parse::<KernelChoice>();
        assert!(matches!(parse("default"), Ok(KernelChoice::Release)));
        assert!(matches!(parse("6.12"), Ok(KernelChoice::Version(version)) if version == "6.12"));
        assert!(matches!(parse("6.12-16k"), Ok(KernelChoice::Version(version)) if version == "6.12-16k"));
        assert!(matches!(parse("./Image"), Ok(KernelChoice::File(_))));
        assert!(parse("6.12-").is_err());
        assert!(parse("6.12-a_b").is_err());
        assert!(parse("6.").is_err());
        assert!(parse("newest").is_err());
    }
}
