//! The records of gdb's machine interface, as gdb's manual defines them in "GDB/MI Output Syntax".

/// One line that gdb wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    /// The answer to a command, with the command's number.
    Result {
        /// The number that was put before the command.
        token: Option<u32>,
        /// `done`, `running`, `connected`, `error` or `exit`.
        class: String,
        /// What is answered.
        fields: Fields,
    },
    /// Something that happened by itself: `*stopped`, `=thread-created`, `+download`.
    Event {
        /// `stopped`, `running`, `thread-created` and the like.
        class: String,
        /// What is said of it.
        fields: Fields,
    },
    /// Text for the user: what the command line would show.
    Console(String),
    /// Text that the target printed.
    Target(String),
    /// Text of gdb's own log, with its complaints.
    Log(String),
    /// gdb waits for the next command.
    Prompt,
    /// A line that is none of these.
    Other(String),
}

/// Named values, in gdb's order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fields(Vec<(String, Value)>);

/// A value of the machine interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// `"text"`.
    Text(String),
    /// `{name=value,…}`.
    Tuple(Fields),
    /// `[value,…]`, or `[name=value,…]` without its names.
    List(Vec<Value>),
}

impl Fields {
    /// The value called `name`.
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The text called `name`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The tuple called `name`.
    pub(super) fn tuple(&self, name: &str) -> Option<&Self> {
        match self.value(name) {
            Some(Value::Tuple(fields)) => Some(fields),
            _ => None,
        }
    }
}

impl Record {
    /// Reads one line, without its end. Total: what cannot be read is [`Record::Other`].
    pub(super) fn parse(line: &str) -> Self {
        parse(line).unwrap_or_else(|| Self::Other(line.to_owned()))
    }
}

fn parse(line: &str) -> Option<Record> {
    if line.trim_end() == "(gdb)" {
        return Some(Record::Prompt);
    }
    let digits = line.find(|c: char| !c.is_ascii_digit())?;
    let token = line[..digits].parse().ok();
    let mut rest = Reader(&line[digits..]);
    match rest.next()? {
        '^' => {
            let (class, fields) = rest.class_and_fields()?;
            Some(Record::Result { token, class, fields })
        }
        '*' | '=' | '+' => {
            let (class, fields) = rest.class_and_fields()?;
            Some(Record::Event { class, fields })
        }
        '~' => rest.last_string().map(Record::Console),
        '@' => rest.last_string().map(Record::Target),
        '&' => rest.last_string().map(Record::Log),
        _ => None,
    }
}

/// What is left of the line.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.0.chars().next()?;
        self.0 = &self.0[c.len_utf8()..];
        Some(c)
    }

    fn take(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }

    fn word(&mut self) -> Option<String> {
        let end =
            self.0.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn class_and_fields(&mut self) -> Option<(String, Fields)> {
        let class = self.word()?;
        let mut fields = Vec::new();
        while self.take(',').is_some() {
            fields.push(self.field()?);
        }
        self.0.is_empty().then_some((class, Fields(fields)))
    }

    fn field(&mut self) -> Option<(String, Value)> {
        let name = self.word()?;
        self.take('=')?;
        Some((name, self.value()?))
    }

    fn value(&mut self) -> Option<Value> {
        match self.0.chars().next()? {
            '"' => self.string().map(Value::Text),
            '{' => {
                self.take('{')?;
                self.until('}', Self::field).map(|fields| Value::Tuple(Fields(fields)))
            }
            '[' => {
                self.take('[')?;
                self.until(']', |reader| match reader.0.chars().next()? {
                    '"' | '{' | '[' => reader.value(),
                    _ => reader.field().map(|(_, value)| value),
                })
                .map(Value::List)
            }
            _ => None,
        }
    }

    fn until<T>(&mut self, end: char, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        while self.take(end).is_none() {
            if !items.is_empty() {
                self.take(',')?;
            }
            items.push(item(self)?);
        }
        Some(items)
    }

    fn last_string(&mut self) -> Option<String> {
        let text = self.string()?;
        self.0.is_empty().then_some(text)
    }

    /// A string in C's notation. Octal escapes are bytes, of UTF-8 where they are valid.
    fn string(&mut self) -> Option<String> {
        self.take('"')?;
        let mut bytes = Vec::new();
        loop {
            match self.next()? {
                '"' => return Some(String::from_utf8_lossy(&bytes).into_owned()),
                '\\' => bytes.extend(self.escape()?.as_slice()),
                c => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escape(&mut self) -> Option<Vec<u8>> {
        Some(vec![match self.next()? {
            'n' => b'\n',
            't' => b'\t',
            'r' => b'\r',
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'v' => 0x0b,
            'e' => 0x1b,
            first @ '0'..='7' => {
                let mut code = first.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = self.0.chars().next().and_then(|c| c.to_digit(8)) else { break };
                    self.next();
                    code = code * 8 + digit;
                }
                u8::try_from(code).ok()?
            }
            other => return Some(other.to_string().into_bytes()),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_keeps_its_token_class_and_fields() {
        let Record::Result { token, class, fields } = Record::parse(
            r#"17^done,value="0x1",changelist=[{name="a"},{name="b"}],frame={level="0",args=[]}"#,
        ) else {
            panic!("not a result")
        };
        assert_eq!((token, class.as_str()), (Some(17), "done"));
        assert_eq!(fields.text("value"), Some("0x1"));
        assert_eq!(fields.tuple("frame").and_then(|frame| frame.text("level")), Some("0"));
        assert_eq!(fields.text("frame"), None);
        assert_eq!(fields.text("missing"), None);
    }

    #[test]
    fn a_stop_is_an_event() {
        let line = r#"*stopped,reason="watchpoint-trigger",wpt={number="2",exp="X"},value={old="0xb1",new="0xa1"},frame={addr="0x40001acc",func="f"},thread-id="1",stopped-threads="all""#;
        let Record::Event { class, fields } = Record::parse(line) else { panic!("not an event") };
        assert_eq!(class, "stopped");
        assert_eq!(fields.text("reason"), Some("watchpoint-trigger"));
        let value = fields.tuple("value").unwrap();
        assert_eq!((value.text("old"), value.text("new")), (Some("0xb1"), Some("0xa1")));
    }

    #[test]
    fn strings_lose_their_escapes() {
        for (line, text) in [
            (r#"~"a\tb\n""#, "a\tb\n"),
            (r#"~"say \"no\" \\ yes""#, r#"say "no" \ yes"#),
            (r#"~"\303\244\0331""#, "ä\x1b1"),
            (r#"~"""#, ""),
            (r#"~"ünicode""#, "ünicode"),
        ] {
            assert_eq!(Record::parse(line), Record::Console(text.to_owned()), "{line}");
        }
        assert_eq!(Record::parse(r#"@"t""#), Record::Target("t".to_owned()));
        assert_eq!(Record::parse(r#"&"l\n""#), Record::Log("l\n".to_owned()));
    }

    #[test]
    fn the_prompt_may_have_a_blank_after_it() {
        assert_eq!(Record::parse("(gdb) "), Record::Prompt);
        assert_eq!(Record::parse("(gdb)"), Record::Prompt);
    }

    #[test]
    fn lists_may_hold_named_values() {
        let Record::Event { fields, .. } = Record::parse(r#"=x,a=[frame={l="0"},frame={l="1"}],b=["1","2"]"#)
        else {
            panic!("not an event")
        };
        let Some(Value::List(frames)) = fields.value("a") else { panic!("not a list") };
        assert_eq!(frames.len(), 2);
        assert_eq!(
            fields.value("b"),
            Some(&Value::List(vec![Value::Text("1".into()), Value::Text("2".into())]))
        );
    }

    #[test]
    fn what_is_no_record_is_kept_as_it_is() {
        for line in [
            "",
            "12",
            "hello",
            "~\"unfinished",
            "~\"a\"b",
            "^done,",
            "^done,x",
            "^done,x={",
            "^done,x=[\"1\" \"2\"]",
            "^",
            "~\"\\",
            "~\"\\777\"",
        ] {
            assert_eq!(Record::parse(line), Record::Other(line.to_owned()), "{line}");
        }
    }
}
