//! Whatever a description of chips says, it is refused, or leads to cores that can be reached as it says and to a
//! memory map without gaps and overlaps.

use std::fmt::Write as _;

use arbitrary::{Arbitrary, Unstructured};
use probe_rs::config::Registry;
use trapline_core::target::MemoryKind;
use trapline_probe::board::BoardError;
use trapline_probe::board::chip::{ChipCores, flash};
use trapline_probe::board::memory_map;

/// A core as a description has it.
#[derive(Arbitrary, Debug)]
struct Core {
    kind: u8,
    /// An access port by its number, or its address.
    port: Result<u8, u64>,
    debug_base: Option<u64>,
    cti_base: Option<u64>,
    multidrop: Option<u32>,
    /// Reached as a core of another architecture.
    foreign: bool,
}

/// A region of memory: its kind, and where it is.
#[derive(Arbitrary, Debug)]
struct Region {
    is_flash: bool,
    start: u64,
    /// Mostly behind the start.
    end: Result<u16, u64>,
}

#[derive(Arbitrary, Debug)]
struct Family {
    cores: Vec<Core>,
    regions: Vec<Region>,
    /// A byte of the text that is changed.
    change: Option<(u16, u8)>,
}

const KINDS: [&str; 6] = ["armv8a", "armv6m", "armv7m", "armv8m", "armv7a", "riscv"];

impl Family {
    /// The text of it.
    fn text(&self) -> String {
        let mut text = "name: F\nvariants:\n  - name: chip\n    cores:\n".to_owned();
        for (index, core) in self.cores.iter().enumerate() {
            let kind = KINDS[usize::from(core.kind) % KINDS.len()];
            let way = if core.foreign { "Riscv" } else { "Arm" };
            let _ = write!(
                text,
                "      - name: c{index}\n        type: {kind}\n        core_access_options: !{way}\n"
            );
            let _ = match core.port {
                Ok(number) => writeln!(text, "          ap: !v1 {number}"),
                Err(address) => writeln!(text, "          ap: !v2 {address}"),
            };
            for (name, value) in [("debug_base", core.debug_base), ("cti_base", core.cti_base)] {
                if let Some(value) = value {
                    let _ = writeln!(text, "          {name}: {value:#x}");
                }
            }
            if let Some(value) = core.multidrop {
                let _ = writeln!(text, "          targetsel: {value:#x}");
            }
        }
        text.push_str("    memory_map:\n");
        for Region { is_flash, start, end } in &self.regions {
            let kind = if *is_flash { "Nvm" } else { "Ram" };
            let end = end.map_or_else(|end| end, |length| start.saturating_add(length.into()));
            let _ = write!(
                text,
                "      - !{kind}\n        range:\n          start: {start:#x}\n          end: {end:#x}\n        \
                 cores: [c0]\n"
            );
        }
        text.push_str("flash_algorithms: []\n");
        let Some((place, value)) = self.change else { return text };
        let mut bytes = text.into_bytes();
        let place = usize::from(place) % bytes.len();
        bytes[place] = value;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Reads one description: the input itself, and one that is made of it.
///
/// # Panics
/// Where it is accepted and does not hold together.
pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        describe(text, None);
    }
    let mut source = Unstructured::new(data);
    if let Ok(family) = source.arbitrary::<Family>() {
        describe(&family.text(), family.change.is_none().then_some(&family));
    }
}

/// Reads a text, which says what `family` does where that is known.
fn describe(text: &str, family: Option<&Family>) {
    let mut registry = Registry::new();
    if let Err(error) = registry.add_target_family_from_yaml(text) {
        assert!(!error.to_string().is_empty());
        return;
    }
    let names: Vec<String> = registry
        .families()
        .iter()
        .flat_map(|family| &family.variants)
        .map(|chip| chip.name.clone())
        .collect();
    for name in names {
        let Ok(target) = registry.get_target_by_name(&name) else { continue };
        let cores = ChipCores::of(&target);
        if let Some(family) = family {
            agrees(&cores, &family.cores);
        }
        whole(&memory_map::of(&flash(&target)));
    }
}

/// The cores that are found are those that are described.
fn agrees(found: &Result<ChipCores, BoardError>, described: &[Core]) {
    let of = |kinds: std::ops::Range<usize>| {
        described.iter().filter(move |core| kinds.contains(&(usize::from(core.kind) % KINDS.len())))
    };
    let meant: Vec<&Core> = if of(0..1).next().is_some() { of(0..1).collect() } else { of(1..4).collect() };
    match found {
        Ok(ChipCores::Armv8a(cores)) => {
            let expected = meant.iter().map(|core| (core.debug_base, core.cti_base));
            let found = cores.iter().map(|(_, at)| (Some(at.debug), Some(at.cti)));
            assert!(found.eq(expected), "{cores:?}");
        }
        Ok(ChipCores::CortexM(cores)) => assert_eq!(cores.len(), meant.len()),
        Err(error) => {
            let lacks = |core: &&Core| {
                core.foreign
                    || core.kind.is_multiple_of(6) && (core.debug_base.is_none() || core.cti_base.is_none())
            };
            assert!(meant.is_empty() || meant.iter().any(lacks), "{error}");
        }
    }
}

/// The map has the 32-bit address space, each byte once, in order.
fn whole(map: &[trapline_core::target::MemoryRegion]) {
    let mut next = 0;
    for region in map {
        assert!(matches!(region.kind, MemoryKind::Ram | MemoryKind::Rom));
        assert_eq!(region.range.first(), next, "{map:?}");
        next = region.range.last() + 1;
    }
    assert_eq!(next, 1 << 32, "{map:?}");
}
