//! ARCHITECTURE.md's list of the modules with unsafe code, held against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace;

/// The section with the list.
const SECTION: &str = "## Unsafe code";
/// What lifts the lint; every package denies unsafe code otherwise.
const LIFTED: &str = "expect(unsafe_code";

/// All files below a directory with this name's end, without what cargo builds.
fn files(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, end));
        } else if name.ends_with(end) {
            found.push(path);
        }
    }
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The files of the list: of each row the folder, and the modules in it.
fn listed() -> BTreeSet<PathBuf> {
    let architecture = text(&workspace::root().join("ARCHITECTURE.md"));
    let section = architecture.split_once(SECTION).expect("a section with the list").1;
    let section = section.split("\n## ").next().unwrap();
    let mut listed = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split('|').skip(1);
        let folder = cells.next().unwrap().trim().trim_matches('`');
        for module in cells.next().unwrap().split('`').skip(1).step_by(2) {
            listed.insert(Path::new(folder).join(format!("{module}.rs")));
        }
    }
    listed
}

#[test]
fn unsafe_code_is_where_the_list_says_and_nowhere_else() {
    let root = workspace::root();
    // Not this file, which has the words only.
    let this = Path::new(file!()).file_name().unwrap();
    let lifted: BTreeSet<PathBuf> = files(root, ".rs")
        .into_iter()
        .filter(|file| file.file_name() != Some(this) && text(file).contains(LIFTED))
        .map(|file| file.strip_prefix(root).unwrap().to_owned())
        .collect();
    let listed = listed();
    let missing: Vec<_> = lifted.difference(&listed).collect();
    assert!(missing.is_empty(), "unsafe code that ARCHITECTURE.md does not list: {missing:#?}");
    let gone: Vec<_> = listed.difference(&lifted).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md lists what has no unsafe code: {gone:#?}");
}

#[test]
fn no_package_goes_without_the_lint() {
    let root = workspace::root();
    assert!(text(&root.join("Cargo.toml")).contains("\nunsafe_code = \"deny\"\n"));
    for manifest in files(root, "Cargo.toml") {
        let manifest_text = text(&manifest);
        let is_workspace = manifest_text.contains("[workspace]");
        assert!(
            is_workspace || manifest_text.contains("\n[lints]\nworkspace = true\n"),
            "{}",
            manifest.display()
        );
    }
    for source in files(root, ".rs").iter().filter(|file| !file.ends_with("inventory.rs")) {
        assert!(!text(source).contains("allow(unsafe_code"), "{}", source.display());
    }
}
