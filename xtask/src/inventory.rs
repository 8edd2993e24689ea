//! What the documents list, held against the sources: the modules with unsafe code, and the tests that show what clients
//! get.

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

/// The tests that docs/clients.md names in its last column: a function, the begin of one before `_…`, a module or a file.
#[test]
fn every_test_that_shows_a_row_for_clients_exists() {
    let root = workspace::root();
    let page = text(&root.join("docs/clients.md"));
    // What was tried by hand has no tests.
    let page = page.split("## Tried by hand").next().unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let shown = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit('|').next());
    let named: BTreeSet<&str> = shown
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| !name.starts_with("cargo ") && !name.starts_with("watch "))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let sources: Vec<PathBuf> =
        ["core-nostd", "host-kvm"].iter().flat_map(|package| files(&root.join(package), ".rs")).collect();
    let functions: BTreeSet<String> = sources
        .iter()
        .flat_map(|file| {
            let text = text(file);
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    for name in named {
        let exists = match name.strip_suffix('…') {
            Some(begin) => functions.iter().any(|function| function.starts_with(begin)),
            None => {
                let last = name.rsplit("::").next().unwrap_or(name);
                functions.contains(name)
                    || sources.iter().any(|file| {
                        file.file_stem().is_some_and(|stem| stem == last)
                            || file.parent().is_some_and(|folder| folder.ends_with(last))
                    })
            }
        };
        assert!(exists, "docs/clients.md names a test `{name}`, which there is not");
    }
}
