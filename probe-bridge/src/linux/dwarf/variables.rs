//! Variables: those of each CPU, whose types the kernel records, and those of everybody that are well known.

use gimli::constants;
use gimli::write::{AttributeValue, Expression, UnitEntryId};

use super::types::Types;
use super::{Sources, Writer};
use crate::linux::btf::{Body, Btf};
use crate::linux::per_cpu;

/// What a well-known variable is.
enum Of {
    /// A struct of this name.
    Struct(&'static str),
    /// A pointer to a struct of this name.
    Pointer(&'static str),
    /// A typedef, an enumeration or a whole number of this name.
    Named(&'static str),
    /// As many of them as fit until the next symbol.
    Array(&'static str),
}

/// Variables whose types the kernel does not record: only those of each CPU are in its BTF.
const WELL_KNOWN: [(&str, Of); 40] = [
    ("init_task", Of::Struct("task_struct")),
    ("init_mm", Of::Struct("mm_struct")),
    ("init_pid_ns", Of::Struct("pid_namespace")),
    ("init_user_ns", Of::Struct("user_namespace")),
    ("init_uts_ns", Of::Struct("uts_namespace")),
    ("init_ipc_ns", Of::Struct("ipc_namespace")),
    ("init_nsproxy", Of::Struct("nsproxy")),
    ("init_net", Of::Struct("net")),
    ("init_cred", Of::Struct("cred")),
    ("init_css_set", Of::Struct("css_set")),
    ("init_cgroup_ns", Of::Struct("cgroup_namespace")),
    ("root_task_group", Of::Struct("task_group")),
    ("cgrp_dfl_root", Of::Struct("cgroup_root")),
    ("boot_cpu_data", Of::Struct("cpuinfo_arm64")),
    ("contig_page_data", Of::Struct("pglist_data")),
    ("vm_node_stat", Of::Array("atomic_long_t")),
    ("iomem_resource", Of::Struct("resource")),
    ("ioport_resource", Of::Struct("resource")),
    ("modules", Of::Struct("list_head")),
    ("super_blocks", Of::Struct("list_head")),
    ("vmap_area_list", Of::Struct("list_head")),
    ("net_namespace_list", Of::Struct("list_head")),
    ("printk_rb_static", Of::Struct("printk_ringbuffer")),
    ("prb", Of::Pointer("printk_ringbuffer")),
    ("platform_bus", Of::Struct("device")),
    ("platform_bus_type", Of::Struct("bus_type")),
    ("system_wq", Of::Pointer("workqueue_struct")),
    ("console_drivers", Of::Pointer("console")),
    ("mem_map", Of::Pointer("page")),
    ("tk_core", Of::Struct("tk_core")),
    ("__cpu_online_mask", Of::Struct("cpumask")),
    ("__cpu_possible_mask", Of::Struct("cpumask")),
    ("__cpu_present_mask", Of::Struct("cpumask")),
    ("system_state", Of::Named("system_states")),
    ("jiffies", Of::Named("long unsigned int")),
    ("memstart_addr", Of::Named("s64")),
    ("kimage_voffset", Of::Named("u64")),
    ("nr_cpu_ids", Of::Named("unsigned int")),
    ("__per_cpu_offset", Of::Array("long unsigned int")),
    ("linux_banner", Of::Array("char")),
];

/// Writes the variables.
pub(super) fn write(writer: &mut Writer<'_>, types: &Types<'_>, sources: &Sources<'_>) {
    let (btf, symbols) = (sources.types, sources.symbols);
    for variable in per_cpu::variables(btf, symbols) {
        add(writer, variable.name, types.entry(variable.of), variable.address, variable.global);
    }
    for (name, of) in &WELL_KNOWN {
        let Some(symbol) = symbols.named(name).next() else { continue };
        let kind = match of {
            Of::Struct(of) => btf.structure(of).and_then(|of| types.entry(of)),
            Of::Named(of) => named(btf, of).and_then(|of| types.entry(of)),
            Of::Pointer(of) => btf.structure(of).and_then(|of| types.entry(of)).map(|of| pointer(writer, of)),
            Of::Array(of) => {
                let element = named(btf, of);
                let size = element.and_then(|element| btf.size_of(element));
                let count = size.and_then(|size| symbol.size.checked_div(size)).filter(|&count| count != 0);
                element.and_then(|of| types.entry(of)).map(|of| array(writer, of, count))
            }
        };
        if kind.is_some() {
            add(writer, name, kind, symbol.address, symbol.global);
        }
    }
}

fn add(writer: &mut Writer<'_>, name: &str, of: Option<UnitEntryId>, address: u64, global: bool) {
    let entry = writer.add(writer.unit.root(), constants::DW_TAG_variable);
    writer.name(entry, name);
    writer.of(entry, of);
    if global {
        writer.set(entry, constants::DW_AT_external, AttributeValue::FlagPresent);
    }
    let mut location = Expression::new();
    location.op_addr(writer.address(address));
    writer.set(entry, constants::DW_AT_location, AttributeValue::Exprloc(location));
}

fn pointer(writer: &mut Writer<'_>, of: UnitEntryId) -> UnitEntryId {
    let entry = writer.add(writer.unit.root(), constants::DW_TAG_pointer_type);
    writer.number(entry, constants::DW_AT_byte_size, 8);
    writer.of(entry, Some(of));
    entry
}

fn array(writer: &mut Writer<'_>, of: UnitEntryId, count: Option<u64>) -> UnitEntryId {
    let entry = writer.add(writer.unit.root(), constants::DW_TAG_array_type);
    writer.of(entry, Some(of));
    let range = writer.add(entry, constants::DW_TAG_subrange_type);
    if let Some(count) = count {
        writer.number(range, constants::DW_AT_count, count);
    }
    entry
}

/// The type, not the function or the struct, of a name.
fn named(btf: &Btf, name: &str) -> Option<u32> {
    let is_type = |id: &u32| {
        let body = btf.get(*id).map(|found| found.body);
        matches!(body, Some(Body::Integer(_) | Body::Typedef(_) | Body::Enumeration(_)))
    };
    btf.named(name).find(is_type)
}
