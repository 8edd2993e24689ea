//! Variables that every CPU has one of. Their types are in BTF, and their places in a section of their own,
//! whose begin is the kernel's to say; the copies of the CPUs are somewhere else.

use super::btf::{Body, Btf};
use super::symbols::SymbolTable;

/// A variable that every CPU has one of, where the first of them was linked.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerCpu<'a> {
    pub(super) name: &'a str,
    /// Its type.
    pub(super) of: u32,
    pub(super) address: u64,
    pub(super) global: bool,
}

/// The variables of the section `.data..percpu`.
pub(super) fn variables<'a>(btf: &'a Btf, symbols: &SymbolTable) -> Vec<PerCpu<'a>> {
    let section = btf.named(".data..percpu").find_map(|id| match btf.get(id)?.body {
        Body::Section(placements) => Some(placements),
        _ => None,
    });
    let Some(placements) = section else { return Vec::new() };
    let variables: Vec<_> = placements
        .iter()
        .filter_map(|placement| {
            let found = btf.get(placement.variable)?;
            let Body::Variable { of, global } = found.body else { return None };
            Some(PerCpu { name: found.name, of, address: placement.offset.into(), global })
        })
        .collect();
    // Without a symbol for the section's begin, any variable in it whose address is known gives it away.
    let by_variable = || {
        variables.iter().find_map(|variable| symbols.address(variable.name)?.checked_sub(variable.address))
    };
    let Some(begin) = symbols.address("__per_cpu_start").or_else(by_variable) else { return Vec::new() };
    let placed = variables.into_iter();
    placed.map(|variable| PerCpu { address: begin.wrapping_add(variable.address), ..variable }).collect()
}
