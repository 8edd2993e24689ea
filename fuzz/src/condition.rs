//! Conditions of the command line: text is refused or compiled to bytecode that ends, and what an expression of
//! constants is worth is what a plain calculation says.

use arbitrary::{Arbitrary, Unstructured};
use trapline_core::agent::{Environment, EvaluationError, evaluate};
use trapline_probe::expression::compile;

/// How deep an expression is made, so that it has a place on the evaluation's stack.
const DEPTH: u32 = 6;
const SIGNS: [&str; 18] =
    ["||", "&&", "|", "^", "&", "==", "!=", "<", "<=", ">", ">=", "<<", ">>", "+", "-", "*", "/", "%"];
/// What expressions are made of where the text is at random.
const WORDS: [&str; 32] = [
    "(",
    ")",
    "[",
    "]",
    "*",
    "&",
    "!",
    "~",
    "-",
    "+",
    "==",
    "<<",
    "&&",
    "||",
    " ",
    "$x0",
    "$w30",
    "$sp",
    "$TCR_EL1",
    "symbol",
    "u32",
    "(u8*)",
    "unsigned",
    "long",
    "0x",
    "0b1",
    "077",
    "18446744073709551615",
    "'a'",
    "packed::X",
    "=",
    "%",
];

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    Words(Vec<u8>),
    Constants,
}

/// An operand and what it is worth: 64 bits, and whether they have a sign.
struct Part {
    text: String,
    value: Option<(u64, bool)>,
}

/// A target that has no registers, and whose memory is its address.
struct Addresses;

impl Environment for Addresses {
    type Error = ();

    fn register(&mut self, number: u16) -> Result<u64, ()> {
        if number < 64 { Ok(number.into()) } else { Err(()) }
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), ()> {
        for (place, byte) in buffer.iter_mut().enumerate() {
            *byte = address.wrapping_add(place as u64) as u8;
        }
        Ok(())
    }

    fn print(&mut self, _: &str) {}
}

/// Makes an expression of constants. `value` is `None` where something is divided by 0 on the way.
fn make(source: &mut Unstructured<'_>, depth: u32) -> arbitrary::Result<Part> {
    if depth == 0 || source.ratio(1, 4)? {
        let value = source.arbitrary::<u64>()? >> source.int_in_range(0..=63)?;
        let text = if source.arbitrary()? { format!("{value}") } else { format!("{value:#x}") };
        return Ok(Part { text, value: Some((value, value <= i64::MAX as u64)) });
    }
    if source.ratio(1, 4)? {
        let sign = *source.choose(&["!", "~", "-", "+"])?;
        let of = make(source, depth - 1)?;
        let value = of.value.map(|(value, signed)| match sign {
            "!" => (u64::from(value == 0), true),
            "~" => (!value, signed),
            "-" => (value.wrapping_neg(), signed),
            _ => (value, signed),
        });
        return Ok(Part { text: format!("{sign}({})", of.text), value });
    }
    let sign = *source.choose(&SIGNS)?;
    let (left, right) = (make(source, depth - 1)?, make(source, depth - 1)?);
    let text = format!("({}) {sign} ({})", left.text, right.text);
    let value = match (sign, left.value, right.value) {
        ("||", Some((value, _)), _) if value != 0 => Some((1, true)),
        ("&&", Some((0, _)), _) => Some((0, true)),
        (_, Some(left), Some(right)) => calculate(sign, left, right),
        _ => None,
    };
    Ok(Part { text, value })
}

fn calculate(sign: &str, left: (u64, bool), right: (u64, bool)) -> Option<(u64, bool)> {
    let (a, b) = (left.0, right.0);
    let signed = left.1 && right.1;
    let (x, y) = (i128::from(a as i64), i128::from(b as i64));
    let less = if signed { x < y } else { a < b };
    let truth = |truth| (u64::from(truth), true);
    Some(match sign {
        "||" | "&&" => truth(b != 0),
        "|" => (a | b, signed),
        "^" => (a ^ b, signed),
        "&" => (a & b, signed),
        "==" => truth(a == b),
        "!=" => truth(a != b),
        "<" => truth(less),
        "<=" => truth(less || a == b),
        ">" => truth(!less && a != b),
        ">=" => truth(!less),
        // Arithmetic wraps, and a shift by more than there are bits leaves nothing but the sign.
        "<<" => (if b < 64 { a << b } else { 0 }, signed),
        ">>" if left.1 => ((x >> b.min(63)) as u64, signed),
        ">>" => (if b < 64 { a >> b } else { 0 }, signed),
        "+" => (a.wrapping_add(b), signed),
        "-" => (a.wrapping_sub(b), signed),
        "*" => (a.wrapping_mul(b), signed),
        _ if b == 0 => return None,
        "/" if signed => ((x / y) as u64, true),
        "/" => (a / b, false),
        _ if signed => ((x % y) as u64, true),
        _ => (a % b, false),
    })
}

fn symbol(name: &str) -> Option<u64> {
    (!name.starts_with('u')).then(|| name.len() as u64 * 0x1000)
}

/// Compiles and evaluates one expression.
///
/// # Panics
/// Where bytecode does not end, or its value is another one.
pub fn check(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(input) = source.arbitrary::<Input<'_>>() else { return };
    let text = match input {
        Input::Text(text) => text.to_owned(),
        Input::Words(words) => words.iter().map(|word| WORDS[usize::from(word % 32)]).collect(),
        Input::Constants => {
            let Ok(Part { text, value }) = make(&mut source, DEPTH) else { return };
            let code = match compile(&text, false, &|_| Ok(0)) {
                Ok(code) => code,
                // A long one does not fit.
                Err(error) => return assert!(text.len() > 512, "{text}: {error}"),
            };
            let expected = value.map(|(value, _)| value).ok_or(EvaluationError::DivisionByZero);
            assert_eq!(evaluate(&code, &mut Addresses), expected, "{text}");
            return;
        }
    };
    let address = |name: &str| symbol(name).ok_or_else(|| std::io::Error::other("no symbol").into());
    match compile(&text, false, &address) {
        Ok(code) => {
            let value = evaluate(&code, &mut Addresses);
            assert_ne!(value, Err(EvaluationError::Malformed), "{text}");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "{text}"),
    }
}
