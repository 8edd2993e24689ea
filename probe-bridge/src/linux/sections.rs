//! The parts of a kernel in memory.

use std::ops::Range;

use super::kallsyms::Kallsyms;

/// What a section is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Use {
    /// Code.
    Code,
    /// What is not written.
    ReadOnly,
    /// What is written.
    Data,
}

/// A part of a kernel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Section {
    /// Its name, as in a `vmlinux`.
    pub name: &'static str,
    /// What it is for.
    pub usage: Use,
    /// Its addresses.
    pub addresses: Range<u64>,
}

/// The sections of a kernel, by address, without gaps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sections(Vec<Section>);

/// The symbols that the parts of a kernel begin with, in their order in memory (Linux,
/// `arch/arm64/kernel/vmlinux.lds.S`). Without `KALLSYMS_ALL` some are missing, and the part before goes on.
const BEGINS: [(&str, &str, Use); 7] = [
    ("_stext", ".text", Use::Code),
    ("_etext", ".rodata", Use::ReadOnly),
    ("__end_rodata", ".rodata.text", Use::Code),
    ("__init_begin", ".init.text", Use::Code),
    ("_einittext", ".init.data", Use::Data),
    ("_sdata", ".data", Use::Data),
    ("__bss_start", ".bss", Use::Data),
];

impl Sections {
    /// The sections of a kernel that takes `size` bytes of memory.
    pub(super) fn of(kallsyms: &Kallsyms, size: u64) -> Self {
        let base = kallsyms.base();
        let end = base.saturating_add(size);
        let mut begins = [None; BEGINS.len()];
        for symbol in kallsyms.iter() {
            let known = BEGINS.iter().zip(&mut begins).find(|((name, ..), _)| *name == symbol.name);
            if let Some((_, begin)) = known {
                *begin = Some(symbol.address);
            }
        }
        let mut sections = vec![Section { name: ".head.text", usage: Use::Code, addresses: base..end }];
        for ((_, name, usage), begin) in BEGINS.into_iter().zip(begins) {
            let (Some(begin), Some(last)) = (begin, sections.last_mut()) else { continue };
            // A symbol elsewhere is of a kernel that is laid out in another way.
            if begin > last.addresses.start && begin < end {
                last.addresses.end = begin;
                sections.push(Section { name, usage, addresses: begin..end });
            } else if begin == last.addresses.start {
                (last.name, last.usage) = (name, usage);
            }
        }
        Self(sections)
    }

    /// The sections, by address.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Section> {
        self.0.iter()
    }

    /// Which section an address is in; the kernel's end is in its last one.
    #[must_use]
    pub fn index_of(&self, address: u64) -> Option<usize> {
        let behind = self.0.partition_point(|section| section.addresses.start <= address);
        let index = behind.checked_sub(1)?;
        self.0.get(index).filter(|section| address <= section.addresses.end).map(|_| index)
    }

    pub(super) fn contain(&self, address: u64) -> bool {
        self.index_of(address).is_some()
    }

    pub(super) fn is_code(&self, address: u64) -> bool {
        self.at(address).is_some_and(|section| section.usage == Use::Code)
    }

    pub(super) fn end_of(&self, address: u64) -> Option<u64> {
        self.at(address).map(|section| section.addresses.end)
    }

    fn at(&self, address: u64) -> Option<&Section> {
        self.0.get(self.index_of(address)?)
    }
}
