//! Public entries of the core: those that its documentation lists, and those that a program has.
//!
//! rustdoc knows the public interface, with what macros generate of it: its pages have an anchor for each
//! method and for each implementation of a trait. A program that is not optimised has a symbol for each
//! function that it reaches.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result, ensure};

/// Traits whose implementations are no entries: they are derived, without code that could fail.
const DERIVED: [&str; 8] =
    ["Clone", "Copy", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd", "StructuralPartialEq"];

/// A path: crate, modules, type, function; no generic arguments.
type Names = Vec<String>;

/// A function, or an implementation of a trait.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Entry {
    Function(Names),
    Implementation {
        /// The type, or the trait's argument where that is the crate's type.
        of: Names,
        /// The trait, its first argument if it has one, and the type, each by its last name.
        header: Names,
    },
}

/// What the documentation of `crate_name` lists and `symbols` lack. `pages` is the folder of its pages.
pub(super) fn missing<'a>(
    pages: &Path,
    crate_name: &str,
    symbols: impl Iterator<Item = &'a str>,
) -> Result<Vec<Entry>> {
    let mut listed = Vec::new();
    list_folder(pages, &[crate_name.to_owned()], &mut listed)?;
    ensure!(!listed.is_empty(), "the documentation in {} lists nothing", pages.display());
    let mut linked: Vec<_> = symbols.flat_map(of_symbol).collect();
    Ok(unmatched(listed, &mut linked))
}

/// Those of `listed` that are not among `linked`. The paths of symbols have private modules as well, so that
/// more than one may fit; the longest paths are the most particular, and choose first.
fn unmatched(mut listed: Vec<Entry>, linked: &mut Vec<Entry>) -> Vec<Entry> {
    listed.sort_by_key(|entry| std::cmp::Reverse(entry.path().len()));
    listed.retain(|entry| match linked.iter().position(|symbol| symbol.may_be(entry)) {
        Some(index) => {
            linked.swap_remove(index);
            false
        }
        None => true,
    });
    listed.sort();
    listed
}

impl Entry {
    fn path(&self) -> &Names {
        match self {
            Self::Function(path) | Self::Implementation { of: path, .. } => path,
        }
    }

    /// Whether this, from a symbol, can be what the documentation calls `listed`.
    fn may_be(&self, listed: &Self) -> bool {
        match (self, listed) {
            (Self::Function(_), Self::Function(_)) => {}
            (Self::Implementation { header: own, .. }, Self::Implementation { header, .. })
                if own == header => {}
            _ => return false,
        }
        let mut rest = self.path().iter();
        self.path().last() == listed.path().last()
            && listed.path().iter().all(|name| rest.any(|other| other == name))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(path) => write!(f, "{}", path.join("::")),
            Self::Implementation { of, header } => write!(f, "{} ({})", of.join("::"), header.join(", ")),
        }
    }
}

/// Lists the entries on the pages of a module and of the modules in it.
fn list_folder(folder: &Path, module: &[String], listed: &mut Vec<Entry>) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for file in fs::read_dir(folder).with_context(cannot)? {
        let path = file.with_context(cannot)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let within = |name: &str| [module, &[name.to_owned()]].concat();
        if path.is_dir() {
            list_folder(&path, &within(name), listed)?;
        } else if let Some((kind, name)) = name.strip_suffix(".html").and_then(|name| name.split_once('.')) {
            let page =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            // Something private that is public elsewhere has a page that leads there.
            if !page.contains(r#"http-equiv="refresh""#) {
                list_page(kind, &within(name), &page, listed);
            }
        }
    }
    Ok(())
}

/// Lists the entries on the page of a function, a type or a trait, `path`.
fn list_page(kind: &str, path: &Names, page: &str, listed: &mut Vec<Entry>) {
    match kind {
        "fn" => return listed.push(Entry::Function(path.clone())),
        "struct" | "enum" | "union" | "trait" => {}
        _ => return,
    }
    // In this order: own methods; traits that are implemented, with their methods; what is implemented without
    // code, and for all types. For a trait: its methods with a body, and who implements it.
    let mut in_traits = false;
    for anchor in page.split(r#" id=""#).skip(1).filter_map(|rest| rest.split('"').next()) {
        match anchor {
            "trait-implementations" => in_traits = true,
            "synthetic-implementations" | "blanket-implementations" | "implementors" => return,
            _ => {}
        }
        if let Some(name) = anchor.strip_prefix("method.").filter(|_| !in_traits) {
            listed.push(Entry::Function([&**path, &[name.to_owned()]].concat()));
        }
        if let Some(header) = anchor.strip_prefix("impl-").filter(|_| in_traits) {
            let header = header.replace("%3C", "<").replace("%3E", ">").replace("%26", "&");
            let Some((of_trait, of)) = header.split_once("-for-") else { continue };
            let header = header_of(of_trait, of);
            if !header.first().is_some_and(|name| DERIVED.contains(&name.as_str())) {
                listed.push(Entry::Implementation { of: path.clone(), header });
            }
        }
    }
}

/// The entries that a symbol can stand for: `path::function`, `<Type>::function` or `<Type as Trait>::function`.
fn of_symbol(symbol: &str) -> Vec<Entry> {
    let Some(rest) = symbol.strip_prefix('<') else {
        return vec![Entry::Function(names(symbol))];
    };
    let (of, rest) = split_at_depth_0(rest, ">");
    match split_at_depth_0(of, " as ") {
        (of, "") => vec![Entry::Function([names(of), names(rest)].concat())],
        (of, of_trait) => {
            let header = header_of(of_trait, of);
            let argument = split_at_depth_0(argument(of_trait), ",").0;
            let mut entries = vec![Entry::Function([names(of_trait), names(rest)].concat())];
            entries.extend(
                [of, argument].map(|of| Entry::Implementation { of: names(of), header: header.clone() }),
            );
            entries
        }
    }
}

/// The last names of a trait, of its first argument, and of the type that it is implemented for.
fn header_of(of_trait: &str, of: &str) -> Names {
    let argument = split_at_depth_0(argument(of_trait), ",").0;
    [of_trait, argument, of].iter().filter_map(|part| names(part).pop()).collect()
}

/// What stands between the outermost angle brackets.
fn argument(text: &str) -> &str {
    text.split_once('<').map_or("", |(_, arguments)| split_at_depth_0(arguments, ">").0)
}

/// The names in a path, its generic arguments left out.
fn names(path: &str) -> Names {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = split_at_depth_0(rest, "::");
        let name = name.split('<').next().unwrap_or_default().trim_start_matches('&');
        if !name.is_empty() {
            names.push(name.to_owned());
        }
        rest = after;
    }
    names
}

/// What stands before and behind the first `separator` that is not within angle brackets.
fn split_at_depth_0<'a>(text: &'a str, separator: &str) -> (&'a str, &'a str) {
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        let (before, rest) = text.split_at(index);
        if depth == 0
            && let Some(behind) = rest.strip_prefix(separator)
        {
            return (before, behind);
        }
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<h2 id="implementations"></h2><section id="impl-Word"></section>
        <section id="method.bits"></section><h2 id="trait-implementations"></h2>
        <section id="impl-Clone-for-Word%3CE%3E"></section><section id="method.clone"></section>
        <section id="impl-From%3CWord%3CE%3E%3E-for-u64"></section><section id="method.from"></section>
        <h2 id="synthetic-implementations"></h2><section id="impl-Send-for-Word%3CE%3E"></section>"#;

    fn path(text: &str) -> Names {
        text.split("::").map(str::to_owned).collect()
    }

    fn listed() -> Vec<Entry> {
        let mut listed = Vec::new();
        list_page("struct", &path("core::registers::Word"), PAGE, &mut listed);
        list_page("fn", &path("core::sum"), "", &mut listed);
        let methods = r#"<h4 id="tymethod.get"></h4><h4 id="method.count"></h4><h2 id="implementors"></h2>"#;
        list_page("trait", &path("core::Bits"), methods, &mut listed);
        listed
    }

    #[test]
    fn pages_list_functions_and_implementations_that_are_not_derived() {
        assert_eq!(
            listed(),
            [
                Entry::Function(path("core::registers::Word::bits")),
                Entry::Implementation { of: path("core::registers::Word"), header: path("From::Word::u64") },
                Entry::Function(path("core::sum")),
                Entry::Function(path("core::Bits::count")),
            ]
        );
    }

    #[test]
    fn what_no_symbol_stands_for_is_missing() {
        let symbols = [
            "<core::registers::word::Word<app::Lost>>::bits",
            "<u64 as core::convert::From<core::registers::word::Word<app::Lost>>>::from",
            "core::sums::sum::<4>",
            "<app::Word as core::bits::Bits>::count",
        ];
        for without in 0..symbols.len() {
            let others = symbols.iter().enumerate().filter(|(index, _)| *index != without);
            let mut linked: Vec<_> = others.flat_map(|(_, symbol)| of_symbol(symbol)).collect();
            assert_eq!(unmatched(listed(), &mut linked).len(), 1, "without {}", symbols[without]);
        }
        let mut linked: Vec<_> = symbols.iter().flat_map(|symbol| of_symbol(symbol)).collect();
        assert_eq!(unmatched(listed(), &mut linked), []);
    }

    #[test]
    fn one_symbol_does_not_stand_for_two_entries() {
        let both = || vec![Entry::Function(path("core::walk")), Entry::Function(path("core::wide::walk"))];
        let mut linked = of_symbol("core::wide::walk");
        assert_eq!(unmatched(both(), &mut linked), [Entry::Function(path("core::walk"))]);
    }
}
