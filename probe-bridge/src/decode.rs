//! `trapline decode`: what a register's value says, in words.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Map, Value, json};
use trapline_core::comparator::Pair;
use trapline_core::registers::{
    BranchType, BreakpointType, Dbgbcr, Dbgwcr, DebugStatus, Edscr, Esr, IdAa64dfr0El1, LoadStoreControl,
    MdcrEl2, MdscrEl1, Mode, Pstate, SctlrEl1, TcrEl1, Uint,
};
use trapline_core::syndrome::Syndrome;
use trapline_core::{breakpoint, watchpoint};

use crate::cli::{DecodeArguments, Format, RegisterName};

/// A field of a register: its name as in the manual, in lower case, and its value.
type Field = (&'static str, u64);

/// Decodes one value.
///
/// # Errors
/// Where nobody takes the answer; every value has one.
pub(crate) fn run(arguments: &DecodeArguments) -> Result<ExitCode> {
    let decoded = Decoded::of(arguments.register, arguments.value, arguments.compared);
    match arguments.format {
        Format::Text => write!(io::stdout(), "{}", decoded.text())?,
        Format::Json => writeln!(io::stdout(), "{}", decoded.json())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a value says.
struct Decoded {
    register: &'static str,
    value: u64,
    /// In words, where there are words for it.
    meaning: Option<String>,
    fields: Vec<Field>,
}

/// The fields of a register type, from the highest bit to the lowest.
macro_rules! fields {
    ($register:expr, $($field:ident)+) => {
        vec![$((stringify!($field), $register.$field().bits())),+]
    };
}

impl Decoded {
    /// Decodes a register; `compared` is the value register of a comparator.
    fn of(register: RegisterName, value: u64, compared: u64) -> Self {
        let (register, meaning, fields) = match register {
            RegisterName::Esr => {
                let meaning = Syndrome::decode(value).to_string();
                ("ESR_ELx", Some(meaning), fields!(Esr::from_bits(value), iss2 ec il iss))
            }
            RegisterName::Dbgbcr => {
                let meaning = breakpoint::decode(Pair { control: value, value: compared }).to_string();
                let register = Dbgbcr::from_bits(value);
                let fields = fields!(register, lbnx ssce mask bt lbn ssc hmc bas bt2 pmc e);
                ("DBGBCR<n>_EL1", Some(meaning), fields)
            }
            RegisterName::Dbgwcr => {
                let meaning = watchpoint::decode(Pair { control: value, value: compared }).to_string();
                let register = Dbgwcr::from_bits(value);
                let fields = fields!(register, lbnx ssce mask wt2 wt lbn ssc hmc bas lsc pac e);
                ("DBGWCR<n>_EL1", Some(meaning), fields)
            }
            RegisterName::Mdscr => {
                let register = MdscrEl1::from_bits(value);
                let fields = fields!(register, enstepop ehbwe enspm tta embwe tfo rxfull txfull rxo txu
                    intdis tda sc2 mde hde kde tdcc err ss);
                ("MDSCR_EL1", Some(debug_control(register)), fields)
            }
            RegisterName::Mdcr => {
                let register = MdcrEl2::from_bits(value);
                let fields = fields!(register, enstepop ebwe pmee hpmfzs pmsse hpmfzo mtpme tdcc hlp e2tb hccd
                    ttrf hpmd enspm tpms e2pb tdra tdosa tda tde hpme tpm tpmcr hpmn);
                ("MDCR_EL2", None, fields)
            }
            RegisterName::Spsr => {
                let register = Pstate::from_bits(value);
                let fields = fields!(register, uinj pacm exlock ppend pm n z c v tco dit uao pan ss il allint
                    ssbs btype d a i f mode);
                ("SPSR_ELx", Some(register.mode().to_string()), fields)
            }
            RegisterName::Sctlr => {
                let register = SctlrEl1::from_bits(value);
                let fields = fields!(register, tidcp spintmask nmi entp2 tcso tcso0 epan enals enas0 enasr tme
                    tme0 tmt tmt0 twedel tweden dssbs ata ata0 tcf tcf0 itfsb bt1 bt0 mscen cmow enia enib
                    lsmaoe ntlsmd enda uci ee e0e span eis iesb tscxt wxn ntwe ntwi uct dze endb i eos enrctx
                    uma sed itd naa cp15ben sa0 sa c a m);
                ("SCTLR_EL1", None, fields)
            }
            RegisterName::Tcr => {
                let register = TcrEl1::from_bits(value);
                let fields = fields!(register, mtx1 mtx0 ds tcma1 tcma0 e0pd1 e0pd0 nfd1 nfd0 tbid1 tbid0 hwu
                    hpd1 hpd0 hd ha tbi1 tbi0 asid16 ips tg1 sh1 orgn1 irgn1 epd1 a1 t1sz tg0 sh0 orgn0 irgn0
                    epd0 t0sz);
                let (low, high) = (64 - register.t0sz(), 64 - register.t1sz());
                let meaning = format!("{low} address bits through TTBR0_EL1, {high} through TTBR1_EL1");
                ("TCR_EL1", Some(meaning), fields)
            }
            RegisterName::IdAa64dfr0 => {
                let register = IdAa64dfr0El1::from_bits(value);
                let fields = fields!(register, hpmn0 exttrcbuff brbe mtpmu tracebuffer tracefilt doublelock
                    pmsver ctx_cmps sebep wrps pmss brps pmuver tracever debugver);
                let [breakpoints, watchpoints, contexts] =
                    [register.brps(), register.wrps(), register.ctx_cmps()].map(|field| field.bits() + 1);
                let meaning = format!(
                    "{breakpoints} breakpoints, {contexts} of them aware of contexts; {watchpoints} watchpoints"
                );
                ("ID_AA64DFR0_EL1", Some(meaning), fields)
            }
            RegisterName::Edscr => {
                let register = Edscr::from_bits(u32::try_from(value & 0xffff_ffff).unwrap_or_default());
                let fields = fields!(register, tfo rxfull txfull ito rxo txu pipeadv ite intdis tda ma sc2 ns
                    sdd nse hde rw el a err status);
                ("EDSCR", Some(register.status().to_string()), fields)
            }
        };
        Self { register, value, meaning, fields }
    }

    fn text(&self) -> String {
        let meaning = self.meaning.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        let mut text = format!("{} {:#x}{meaning}\n", self.register, self.value);
        let widest = self.fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in &self.fields {
            let name = name.to_uppercase();
            text += &format!("  {name:widest$}  {value:#x}\n");
        }
        text
    }

    /// One object. Values that may have more than 53 bits are strings.
    fn json(&self) -> Value {
        let fields: Map<_, _> =
            self.fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "register": self.register,
            "value": format!("{:#x}", self.value),
            "meaning": self.meaning,
            "fields": fields,
        })
    }
}

/// Which debug exceptions a value of `MDSCR_EL1` enables.
fn debug_control(register: MdscrEl1) -> String {
    let said = |on: bool, what: &str| format!("{what} {}", if on { "on" } else { "off" });
    [
        said(register.mde(), "breakpoints and watchpoints"),
        said(register.ss(), "software step"),
        said(register.kde(), "debug exceptions within the kernel"),
    ]
    .join(", ")
}

/// A field's value as a number.
trait Bits {
    fn bits(self) -> u64;
}

macro_rules! plain {
    ($($field:ty)+) => {
        $(impl Bits for $field {
            fn bits(self) -> u64 {
                self.into()
            }
        })+
    };
}

macro_rules! named {
    ($($field:ty)+) => {
        $(impl Bits for $field {
            fn bits(self) -> u64 {
                self.into_bits().into()
            }
        })+
    };
}

plain!(bool u8 u32);
named!(BranchType BreakpointType DebugStatus LoadStoreControl Mode);

impl<const WIDTH: u32> Bits for Uint<WIDTH> {
    fn bits(self) -> u64 {
        self.get().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(register: RegisterName, value: u64, compared: u64) -> String {
        Decoded::of(register, value, compared).text()
    }

    #[test]
    fn words_come_first_and_fields_behind() {
        let brk = text(RegisterName::Esr, 0xf200_0042, 0);
        assert!(brk.starts_with("ESR_ELx 0xf2000042: "), "{brk}");
        assert!(brk.contains("  EC    0x3c\n") && brk.contains("  ISS   0x42\n"), "{brk}");
        let watch = text(RegisterName::Dbgwcr, 0x1ff7, 0x1000);
        assert!(watch.contains("write of 0x1000..=0x1007 at EL0 and EL1"), "{watch}");
        let off = text(RegisterName::Dbgbcr, 0, 0);
        assert!(off.starts_with("DBGBCR<n>_EL1 0x0: disabled\n"), "{off}");
    }

    #[test]
    fn json_says_the_same() {
        let json = Decoded::of(RegisterName::IdAa64dfr0, 0x1011_2305, 0).json();
        assert_eq!(json["fields"]["brps"], 2);
        assert_eq!(json["value"], "0x10112305");
        assert_eq!(json["meaning"], "3 breakpoints, 2 of them aware of contexts; 2 watchpoints");
    }

    #[test]
    fn every_register_has_its_fields_and_takes_every_value() {
        for register in <RegisterName as clap::ValueEnum>::value_variants() {
            for value in [0, u64::MAX, 0x5555_5555_5555_5555] {
                let decoded = Decoded::of(*register, value, value);
                assert!(!decoded.fields.is_empty() && decoded.text().lines().count() > decoded.fields.len());
            }
        }
    }
}
