//! The modules of a kernel package that is unpacked, not installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// The modules of a kernel. What depends on what is asked of the modules themselves: only an installed
/// package has a list of that.
pub(crate) struct Modules {
    files: Vec<PathBuf>,
    built_in: String,
}

impl Modules {
    /// Finds them below a directory.
    pub(crate) fn find(directory: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut directories = vec![directory.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    directories.push(entry.path());
                } else {
                    files.push(entry.path());
                }
            }
        }
        let built_in = files.iter().find(|file| file.ends_with("modules.builtin"));
        let built_in = built_in.map(fs::read_to_string).transpose()?.unwrap_or_default();
        Ok(Self { files, built_in })
    }

    /// The modules of these names and all that they need, each after what it needs.
    pub(crate) fn with_dependencies(&self, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut ordered: Vec<(String, Vec<u8>)> = Vec::new();
        for name in names {
            self.add(name, &mut ordered)?;
        }
        Ok(ordered)
    }

    fn add(&self, name: &str, ordered: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        if ordered.iter().any(|(known, _)| known == name) || self.is_built_in(name) {
            return Ok(());
        }
        let file = self.files.iter().find(|file| module_name(file).as_deref() == Some(name));
        let content = uncompressed(file.with_context(|| format!("the kernel has no driver {name}"))?)?;
        for dependency in dependencies(&content) {
            self.add(&dependency, ordered)?;
        }
        ordered.push((name.to_owned(), content));
        Ok(())
    }

    fn is_built_in(&self, name: &str) -> bool {
        self.built_in.lines().any(|line| module_name(Path::new(line)).as_deref() == Some(name))
    }
}

/// The name of the module in a file: `virtio_net` of `virtio-net.ko.xz`.
fn module_name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let (name, _) = name.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

/// The modules that a module says it needs, in its section `.modinfo`.
fn dependencies(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let start = module.windows(key.len()).position(|window| window == key);
    let value = start.and_then(|start| module.get(start + key.len()..)).unwrap_or_default();
    let value = value.split(|&byte| byte == 0).next().unwrap_or_default();
    let names = value.split(|&byte| byte == b',').filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).replace('-', "_")).collect()
}

fn uncompressed(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
    };
    if workspace::find_program(program).is_none() {
        bail!("{program} is missing, which unpacks the kernel's drivers");
    }
    workspace::quiet(Command::new(program).arg("-dc").arg(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs() {
        let needs = |text: &str| dependencies(text.as_bytes());
        assert_eq!(needs("license=GPL\0depends=net_failover,crc-x\0name=n\0"), ["net_failover", "crc_x"]);
        assert!(needs("license=GPL\0depends=\0name=n\0").is_empty());
        assert!(needs("no module").is_empty());
    }

    #[test]
    fn a_module_is_known_by_its_file() {
        assert_eq!(
            module_name(Path::new("kernel/net/9p/9pnet-virtio.ko.xz")).as_deref(),
            Some("9pnet_virtio")
        );
        assert_eq!(module_name(Path::new("modules.builtin")), None);
    }
}
