//! Hits and their summary, as text and as lines of JSON.
//!
//! Each line of JSON is one object. `event` is `hit` or `summary`; addresses and values are strings, in
//! hexadecimal after 0x, for they have 64 bits; times are seconds. What is not known is left out.
//!
//! - `hit`: `number` (of all hits, from 1), `guest_time`, `wall_time`, `core`, `point` (as on the command line),
//!   `count` (of its hits, those before a debugger came included), `reason`, `pc` with `symbol`, `offset`,
//!   `file` and `line` of the instruction that was about to be executed or has made the access; for a watchpoint
//!   `address` (the byte that was touched first) and `value` with `address`, `length`, `old` and `new`;
//!   `failure` where a condition could not be evaluated; `backtrace`, a list of callers, with `--backtrace`.
//! - `summary`: `hits`, `wall_time`, and `points`, a list of `point` and `hits`.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use trapline_core::stop::Change;

use trapline_probe::places::Place;

/// An instruction, and where it lies.
pub(super) struct Frame {
    pub(super) address: u64,
    pub(super) place: Place,
}

/// A hit.
pub(super) struct Report {
    pub(super) number: u64,
    pub(super) guest: Option<Duration>,
    pub(super) wall: Duration,
    pub(super) core: u16,
    pub(super) point: String,
    pub(super) count: u64,
    pub(super) reason: &'static str,
    pub(super) at: Frame,
    /// The address that was touched, and what that has done.
    pub(super) access: Option<(u64, Option<Change>)>,
    pub(super) failure: Option<String>,
    pub(super) backtrace: Option<Vec<Frame>>,
}

/// What there was in all.
pub(super) struct Summary {
    pub(super) hits: u64,
    pub(super) wall: Duration,
    pub(super) points: Vec<(String, u64)>,
}

/// An address, with its symbol and its line where they are known.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)?;
        match &self.place.symbol {
            Some((name, 0)) => write!(f, " {name}")?,
            Some((name, offset)) => write!(f, " {name}+{offset:#x}")?,
            None => {}
        }
        match &self.place.line {
            Some((file, Some(line))) => write!(f, " ({}:{line})", base(file)),
            Some((file, None)) => write!(f, " ({})", base(file)),
            None => Ok(()),
        }
    }
}

/// A file's name without its folders.
fn base(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(guest) = self.guest {
            write!(f, "{:.6} s ", guest.as_secs_f64())?;
        }
        write!(
            f,
            "(+{:.3} s) core {}: {} '{}'",
            self.wall.as_secs_f64(),
            self.core,
            self.reason,
            self.point
        )?;
        match self.access {
            None => write!(f, " at {}", self.at)?,
            Some((address, None)) => write!(f, " touched at {address:#x} by {}", self.at)?,
            Some((address, Some(Change { old, new, .. }))) if old == new => {
                write!(f, " touched at {address:#x}, {new:#x} as before, by {}", self.at)?;
            }
            Some((address, Some(Change { old, new, .. }))) => {
                write!(f, " touched at {address:#x}, {old:#x} -> {new:#x}, by {}", self.at)?;
            }
        }
        if let Some(failure) = &self.failure {
            write!(f, "; its condition has no value: {failure}")?;
        }
        for frame in self.backtrace.iter().flatten() {
            write!(f, "\n    called from {frame}")?;
        }
        Ok(())
    }
}

impl Frame {
    fn json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("pc".to_owned(), hexadecimal(self.address));
        if let Some((name, offset)) = &self.place.symbol {
            object.insert("symbol".to_owned(), json!(name));
            object.insert("offset".to_owned(), json!(offset));
        }
        if let Some((file, line)) = &self.place.line {
            object.insert("file".to_owned(), json!(file));
            if let Some(line) = line {
                object.insert("line".to_owned(), json!(line));
            }
        }
        object
    }
}

impl Report {
    /// The line of JSON.
    pub(super) fn json(&self) -> Value {
        let mut object = self.at.json();
        let mut put = |key: &str, value| object.insert(key.to_owned(), value);
        put("event", json!("hit"));
        put("number", json!(self.number));
        if let Some(guest) = self.guest {
            put("guest_time", json!(guest.as_secs_f64()));
        }
        put("wall_time", json!(self.wall.as_secs_f64()));
        put("core", json!(self.core));
        put("point", json!(self.point));
        put("count", json!(self.count));
        put("reason", json!(self.reason));
        if let Some((address, change)) = self.access {
            put("address", hexadecimal(address));
            if let Some(Change { address, length, old, new }) = change {
                let (address, old, new) = (hexadecimal(address), hexadecimal(old), hexadecimal(new));
                put("value", json!({ "address": address, "length": length, "old": old, "new": new }));
            }
        }
        if let Some(failure) = &self.failure {
            put("failure", json!(failure));
        }
        if let Some(backtrace) = &self.backtrace {
            put("backtrace", backtrace.iter().map(|frame| Value::Object(frame.json())).collect());
        }
        Value::Object(object)
    }
}

fn hexadecimal(value: u64) -> Value {
    Value::String(format!("{value:#x}"))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.hits == 1 { "" } else { "s" };
        writeln!(f, "{} hit{plural} in {:.3} s", self.hits, self.wall.as_secs_f64())?;
        let mut lines = String::new();
        for (point, hits) in &self.points {
            writeln!(lines, "{hits:8}  {point}")?;
        }
        f.write_str(&lines)
    }
}

impl Summary {
    /// The line of JSON.
    pub(super) fn json(&self) -> Value {
        let points: Vec<Value> =
            self.points.iter().map(|(point, hits)| json!({ "point": point, "hits": hits })).collect();
        json!({
            "event": "summary", "hits": self.hits, "wall_time": self.wall.as_secs_f64(), "points": points,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let place = Place {
            symbol: Some(("store".to_owned(), 8)),
            line: Some(("/src/packed.rs".to_owned(), Some(47))),
        };
        Report {
            number: 7,
            guest: Some(Duration::from_micros(1_500_000)),
            wall: Duration::from_millis(2250),
            core: 1,
            point: "PACKED+5:4".to_owned(),
            count: 3,
            reason: "write watchpoint",
            at: Frame { address: 0x4000_1008, place: place.clone() },
            access: Some((0x4020_0025, Some(Change { address: 0x4020_0025, length: 4, old: 1, new: 2 }))),
            failure: None,
            backtrace: Some(vec![Frame { address: 0x4000_2000, place: Place::default() }]),
        }
    }

    #[test]
    fn a_hit_is_a_line_and_its_callers() {
        assert_eq!(
            report().to_string(),
            "1.500000 s (+2.250 s) core 1: write watchpoint 'PACKED+5:4' touched at 0x40200025, 0x1 -> 0x2, \
             by 0x40001008 store+0x8 (packed.rs:47)\n    called from 0x40002000"
        );
        let breakpoint = Report {
            access: None,
            backtrace: None,
            reason: "hardware breakpoint",
            guest: None,
            failure: Some("memory at 0x8 cannot be read".to_owned()),
            ..report()
        };
        assert_eq!(
            breakpoint.to_string(),
            "(+2.250 s) core 1: hardware breakpoint 'PACKED+5:4' at 0x40001008 store+0x8 (packed.rs:47); \
             its condition has no value: memory at 0x8 cannot be read"
        );
    }

    #[test]
    fn the_line_of_json_says_the_same() {
        assert_eq!(
            report().json(),
            json!({
                "event": "hit", "number": 7, "guest_time": 1.5, "wall_time": 2.25, "core": 1,
                "point": "PACKED+5:4", "count": 3, "reason": "write watchpoint",
                "pc": "0x40001008", "symbol": "store", "offset": 8, "file": "/src/packed.rs", "line": 47,
                "address": "0x40200025",
                "value": { "address": "0x40200025", "length": 4, "old": "0x1", "new": "0x2" },
                "backtrace": [{ "pc": "0x40002000" }],
            })
        );
    }

    #[test]
    fn the_summary_has_every_point() {
        let points = vec![("a if $x0 == 1".to_owned(), 12), ("b".to_owned(), 0)];
        let summary = Summary { hits: 12, wall: Duration::from_secs(1), points };
        assert_eq!(summary.to_string(), "12 hits in 1.000 s\n      12  a if $x0 == 1\n       0  b\n");
        assert_eq!(summary.json()["points"][1], json!({ "point": "b", "hits": 0 }));
    }
}
