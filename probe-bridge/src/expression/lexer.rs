//! The words and signs of an expression.

use std::fmt;

use anyhow::{Result, bail};

/// A word or a sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Number(u64),
    /// A register's name without its `$`.
    Register(String),
    /// The name of a symbol or of a type.
    Name(String),
    Sign(&'static str),
}

/// As it was written.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Register(name) => write!(f, "${name}"),
            Self::Name(name) => f.write_str(name),
            Self::Sign(sign) => f.write_str(sign),
        }
    }
}

/// Signs, the longer ones first.
const SIGNS: [&str; 25] = [
    "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "[", "]", "<", ">", "+", "-", "*", "/", "%",
    "&", "|", "^", "~", "!", "=",
];

/// Divides an expression.
///
/// # Errors
/// Where something has no place in one.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_ascii_digit() {
            let length = word(rest);
            (Token::Number(number(rest.get(..length).unwrap_or_default())?), length)
        } else if first == '\'' {
            character(rest)?
        } else if first == '$' {
            let name = rest.get(1..).unwrap_or_default();
            let length = word(name);
            if length == 0 {
                bail!("a register's name is missing behind $");
            }
            (Token::Register(name.get(..length).unwrap_or_default().to_owned()), length + 1)
        } else if first.is_alphabetic() || first == '_' {
            let length = path(rest);
            (Token::Name(rest.get(..length).unwrap_or_default().to_owned()), length)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            if sign == "=" {
                bail!("write == to compare; an expression changes nothing");
            }
            (Token::Sign(sign), sign.len())
        } else {
            bail!("'{first}' has no place in an expression");
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// How long the word is with which a text begins.
fn word(text: &str) -> usize {
    text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len())
}

/// The same for words joined by `::`.
fn path(text: &str) -> usize {
    let mut length = word(text);
    while let Some(rest) = text.get(length..).and_then(|rest| rest.strip_prefix("::")) {
        match word(rest) {
            0 => break,
            more => length += 2 + more,
        }
    }
    length
}

/// A number in C's ways, with or without a suffix for its type.
fn number(text: &str) -> Result<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix("0b")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 2),
        _ if lower.len() > 1 && lower.starts_with('0') => (&*lower, 8),
        _ => (&*lower, 10),
    };
    let digits = digits.trim_end_matches(['u', 'l']).replace('_', "");
    match u64::from_str_radix(&digits, radix) {
        Ok(value) => Ok(value),
        Err(error) => bail!("'{text}' is no number of at most 64 bits: {error}"),
    }
}

/// A character in quotes, and how long it is.
fn character(text: &str) -> Result<(Token, usize)> {
    let bytes = text.as_bytes();
    let (value, length) = match bytes {
        [b'\'', b'\\', escaped, b'\'', ..] => {
            let value = match escaped {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'0' => 0,
                b'\\' | b'\'' | b'"' => *escaped,
                _ => bail!("'\\{}' is no character", char::from(*escaped)),
            };
            (value, 4)
        }
        [b'\'', plain, b'\'', ..] if plain.is_ascii() && *plain != b'\\' => (*plain, 3),
        _ => bail!("a character is one letter of ASCII in quotes"),
    };
    Ok((Token::Number(value.into()), length))
}
