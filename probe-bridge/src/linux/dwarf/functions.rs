//! Functions: their addresses, prototypes, and where their arguments are at first.

use gimli::write::{AttributeValue, Expression, Location, LocationList, UnitEntryId};
use gimli::{AArch64, constants};

use super::types::Types;
use super::{Sources, Writer};
use crate::linux::a64;
use crate::linux::btf::{Body, Btf, Parameters};
use crate::linux::bytes::u32_at;
use crate::linux::symbols::{Symbol, SymbolKind};

/// Arguments are in the registers 0 to 7 (AAPCS64, "Parameter passing").
const REGISTERS: usize = 8;
/// Behind so many instructions nobody looks for arguments where they came in.
const LONGEST_PROLOGUE: u64 = 64;

/// A function with an address and a prototype.
struct Function<'a> {
    symbol: &'a Symbol,
    result: u32,
    parameters: Parameters<'a>,
}

/// Writes the functions that are the only ones of their name and whose addresses are known.
pub(super) fn write(writer: &mut Writer<'_>, types: &Types<'_>, sources: &Sources<'_>) {
    for function in functions(sources) {
        let symbol = function.symbol;
        let entry = writer.add(writer.unit.root(), constants::DW_TAG_subprogram);
        writer.name(entry, &symbol.name);
        if symbol.global {
            writer.set(entry, constants::DW_AT_external, AttributeValue::FlagPresent);
        }
        writer.set(entry, constants::DW_AT_prototyped, AttributeValue::FlagPresent);
        writer.of(entry, types.entry(function.result));
        let begin = writer.address(symbol.address);
        writer.set(entry, constants::DW_AT_low_pc, AttributeValue::Address(begin));
        writer.number(entry, constants::DW_AT_high_pc, symbol.size);
        let lasting = lasting(sources, symbol);
        let passed = passed_in_registers(sources.types, function.parameters);
        types.parameters(writer, entry, function.parameters, |writer, index, child| {
            if let Some(&bytes) = lasting.get(index).filter(|_| index < passed) {
                locate(writer, child, symbol, index, bytes);
            }
        });
    }
}

/// The functions by address. Of several names of one function a global one is taken: two functions must not
/// overlap.
fn functions<'a>(sources: &Sources<'a>) -> Vec<Function<'a>> {
    let (btf, symbols) = (sources.types, sources.symbols);
    let function = |id: u32| {
        let found = btf.get(id)?;
        let Body::Function(prototype) = found.body else { return None };
        let Body::Prototype { result, parameters } = btf.get(prototype)?.body else { return None };
        let mut named = symbols.named(found.name);
        let (Some(symbol), None) = (named.next(), named.next()) else { return None };
        let known = symbol.kind == SymbolKind::Function && symbol.size != 0;
        known.then_some(Function { symbol, result, parameters })
    };
    let mut functions: Vec<_> = btf.ids().filter_map(function).collect();
    functions.sort_by_key(|function| (function.symbol.address, !function.symbol.global));
    functions.dedup_by_key(|function| function.symbol.address);
    functions
}

/// Says that a parameter is in its register for so many bytes of its function.
fn locate(writer: &mut Writer<'_>, parameter: UnitEntryId, function: &Symbol, index: usize, bytes: u64) {
    let Ok(number) = u16::try_from(index) else { return };
    let mut data = Expression::new();
    data.op_reg(gimli::Register(AArch64::X0.0 + number));
    let begin = writer.address(function.address);
    let list = LocationList(vec![Location::StartLength { begin, length: bytes, data }]);
    let list = writer.unit.locations.add(list);
    writer.set(parameter, constants::DW_AT_location, AttributeValue::LocationListRef(list));
}

/// How many of the first parameters are in one register each.
fn passed_in_registers(btf: &Btf, parameters: Parameters<'_>) -> usize {
    let in_one = |of: u32| match btf.resolve(of).map(|(_, found)| found.body) {
        Some(
            Body::Pointer(_) | Body::Integer(_) | Body::Enumeration(_) | Body::Struct(_) | Body::Union(_),
        ) => btf.size_of(of).is_some_and(|size| (1..=8).contains(&size)),
        // Behind a larger or another one the numbers of the registers are not these any more.
        _ => false,
    };
    parameters.iter().take(REGISTERS).take_while(|parameter| in_one(parameter.of)).count()
}

/// For how many bytes from a function's begin each argument register keeps what was passed.
fn lasting(sources: &Sources<'_>, symbol: &Symbol) -> [u64; REGISTERS] {
    let mut lasting = [0; REGISTERS];
    let mut gone = 0_u32;
    let mut distance = 0;
    while distance < symbol.size.min(4 * LONGEST_PROLOGUE) {
        let at = symbol.address.wrapping_sub(sources.symbols.base()).saturating_add(distance);
        let word = usize::try_from(at).ok().and_then(|at| u32_at(sources.image.bytes(), at));
        let Some(word) = word else { break };
        distance += 4;
        // At the instruction that writes it a register still is what it was.
        for (number, bytes) in lasting.iter_mut().enumerate() {
            if gone >> number & 1 == 0 {
                *bytes = distance;
            }
        }
        match a64::written(word) {
            Some(registers) => gone |= registers,
            None => break,
        }
    }
    lasting
}
