//! `Z` and `z`: breakpoints and watchpoints.

use super::super::wire::{Hex, Scanner};

/// The kinds of `Z` packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum PointKind {
    /// 0: a breakpoint instruction.
    Software,
    /// 1: a breakpoint comparator.
    Hardware,
    /// 2.
    Write,
    /// 3.
    Read,
    /// 4.
    Access,
}

/// A breakpoint or a watchpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Point<'p> {
    pub(in super::super) kind: PointKind,
    pub(in super::super) address: u64,
    /// The length of a watchpoint, or the kind of a breakpoint: the length of its instruction.
    pub(in super::super) length: u64,
    /// When to stop at it; always where there are none.
    pub(in super::super) conditions: Expressions<'p>,
    /// What to do at it.
    pub(in super::super) commands: Expressions<'p>,
}

/// A list of agent expressions, `Xlen,bytes` each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Expressions<'p>(&'p [u8]);

impl<'p> Point<'p> {
    /// What comes behind the `Z`: `type,address,kind`, and then `;Xlen,bytes…` and `;cmds:persist,Xlen,bytes…`.
    pub(super) fn parse(mut scanner: Scanner<'p>) -> Option<Self> {
        let kind = match scanner.byte()? {
            b'0' => PointKind::Software,
            b'1' => PointKind::Hardware,
            b'2' => PointKind::Write,
            b'3' => PointKind::Read,
            b'4' => PointKind::Access,
            _ => return None,
        };
        scanner.text(b",")?;
        let address = scanner.number()?;
        scanner.text(b",")?;
        let length = scanner.number()?;
        let mut point =
            Self { kind, address, length, conditions: Expressions(&[]), commands: Expressions(&[]) };
        while !scanner.is_empty() {
            scanner.text(b";")?;
            if scanner.text(b"cmds:").is_some() {
                // Whether the commands may stay when the client leaves: nothing does.
                scanner.number()?;
                scanner.text(b",")?;
                point.commands = Expressions::parse(&mut scanner)?;
            } else if !scanner.is_empty() {
                point.conditions = Expressions::parse(&mut scanner)?;
            }
        }
        Some(point)
    }
}

impl<'p> Expressions<'p> {
    /// As many expressions as come one behind the other.
    fn parse(scanner: &mut Scanner<'p>) -> Option<Self> {
        let all = scanner.rest();
        while one(scanner)?.is_some() {}
        let length = all.len() - scanner.rest().len();
        all.get(..length).map(Self)
    }

    pub(in super::super) fn iter(self) -> impl Iterator<Item = Hex<'p>> + use<'p> {
        let mut scanner = Scanner::new(self.0);
        core::iter::from_fn(move || one(&mut scanner).flatten())
    }
}

/// The next expression; `Some(None)` where something else comes.
fn one<'p>(scanner: &mut Scanner<'p>) -> Option<Option<Hex<'p>>> {
    if scanner.text(b"X").is_none() {
        return Some(None);
    }
    let length = usize::try_from(scanner.number()?).ok()?;
    scanner.text(b",")?;
    let (digits, rest) = scanner.rest().split_at_checked(length.checked_mul(2)?)?;
    *scanner = Scanner::new(rest);
    Hex::new(digits).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn parse(text: &str) -> Option<Point<'_>> {
        Point::parse(Scanner::new(text.as_bytes()))
    }

    fn lengths(expressions: Expressions<'_>) -> Vec<usize> {
        expressions.iter().map(Hex::len).collect()
    }

    #[test]
    fn conditions_and_commands_are_told_apart() {
        let point = parse("0,40000010,4;X3,22002aX1,27;cmds:1,X2,2227").unwrap();
        assert_eq!((point.kind, point.address, point.length), (PointKind::Software, 0x4000_0010, 4));
        assert_eq!((lengths(point.conditions), lengths(point.commands)), ([3, 1].into(), [2].into()));
        let point = parse("1,40000010,4;cmds:0,X1,27").unwrap();
        assert!(lengths(point.conditions).is_empty());
        assert!(lengths(parse("2,40001006,4;").unwrap().commands).is_empty());
    }

    #[test]
    fn what_is_cut_off_is_no_point() {
        for text in [
            "",
            "0",
            "0,1",
            "0,1,",
            "0,1,4;X",
            "0,1,4;X2",
            "0,1,4;X2,27",
            "0,1,4;X1,2g",
            "0,1,4;Xffffffffffffffff,27",
            "0,1,4;cmds:",
            "0,1,4;cmds:0",
            "0,1,4x",
            "0,1,4;X1,27y",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
