//! BTF put together by hand.

use super::*;

/// Writes BTF.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    records: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { records: Vec::new(), strings: vec![0], count: 0 }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend(text.bytes().chain([0]));
        at
    }

    /// A record; its number.
    pub(crate) fn record(
        &mut self,
        name: &str,
        kind: u32,
        flag: bool,
        value: u32,
        more: &[u32],
        entries: u32,
    ) -> u32 {
        let name = self.string(name);
        let information = u32::from(flag) << 31 | kind << 24 | entries;
        self.records
            .extend([name, information, value].iter().chain(more).flat_map(|word| word.to_le_bytes()));
        self.count += 1;
        self.count
    }

    pub(crate) fn integer(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        self.record(name, 1, false, size, &[(encoding << 24) | (8 * size)], 0)
    }

    pub(crate) fn pointer(&mut self, of: u32) -> u32 {
        self.record("", 2, false, of, &[], 0)
    }

    pub(crate) fn array(&mut self, element: u32, count: u32) -> u32 {
        self.record("", 3, false, 0, &[element, 1, count], 0)
    }

    /// A struct of members: name, type, offset in bits, and bits where it is a bit-field.
    pub(crate) fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32, u32)]) -> u32 {
        self.composite(name, 4, size, members)
    }

    pub(crate) fn composite(
        &mut self,
        name: &str,
        kind: u32,
        size: u32,
        members: &[(&str, u32, u32, u32)],
    ) -> u32 {
        let flag = members.iter().any(|member| member.3 != 0);
        let mut more = Vec::new();
        for (name, of, offset, bits) in members {
            more.extend([self.string(name), *of, offset | bits << 24]);
        }
        self.record(name, kind, flag, size, &more, u32::try_from(members.len()).unwrap())
    }

    pub(crate) fn prototype(&mut self, result: u32, parameters: &[(&str, u32)]) -> u32 {
        let mut more = Vec::new();
        for (name, of) in parameters {
            more.extend([self.string(name), *of]);
        }
        self.record("", 13, false, result, &more, u32::try_from(parameters.len()).unwrap())
    }

    pub(crate) fn function(&mut self, name: &str, prototype: u32) -> u32 {
        self.record(name, 12, false, prototype, &[], 1)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let mut bytes = BEGIN.to_vec();
        let (records, strings) = (length(&self.records), length(&self.strings));
        bytes.extend([24, 0, records, records, strings].iter().flat_map(|word: &u32| word.to_le_bytes()));
        bytes.extend(&self.records);
        bytes.extend(&self.strings);
        bytes
    }
}

/// A struct with an anonymous union, a bit-field and an array.
pub(crate) fn sample() -> Builder {
    let mut builder = Builder::new();
    let int = builder.integer("int", 4, 1);
    let char = builder.integer("char", 1, 0);
    let comm = builder.array(char, 16);
    let union = builder.composite("", 5, 8, &[("cpu", int, 0, 0), ("flags", int, 32, 0)]);
    let constant = builder.record("", 10, false, int, &[], 0);
    let pid = builder.record("pid_t", 8, false, constant, &[], 0);
    let next = builder.pointer(builder.count + 2);
    builder.structure(
        "task_struct",
        48,
        &[
            ("next", next, 0, 0),
            ("", union, 64, 0),
            ("pid", pid, 128, 0),
            ("mode", int, 163, 5),
            ("comm", comm, 192, 0),
        ],
    );
    let prototype = builder.prototype(int, &[("task", next), ("pid", pid), ("", 0)]);
    builder.function("start_kernel", prototype);
    builder.record("state", 6, true, 4, &[1, 0xffff_ffff], 1);
    builder
}

#[test]
fn members_are_found_as_in_c() {
    let btf = Btf::parse(&sample().bytes()).unwrap();
    let task = btf.structure("task_struct").unwrap();
    assert_eq!(btf.size_of(task), Some(48));
    let offset = |path| btf.field("task_struct", path).map(|field| (field.offset, field.bits));
    assert_eq!(offset("next"), Ok((0, None)));
    assert_eq!(offset("flags"), Ok((12, None)));
    assert_eq!(offset("pid"), Ok((16, None)));
    assert_eq!(offset("mode"), Ok((20, Some((3, 5)))));
    let comm = btf.field("task_struct", "comm").unwrap();
    assert_eq!((comm.offset, btf.size_of(comm.of)), (24, Some(16)));
    let error = btf.field("task_struct", "pid.nr").unwrap_err();
    assert_eq!(error.to_string(), "the kernel's types have no task_struct.pid.nr");
    assert_eq!(btf.size_of(btf.named("pid_t").next().unwrap()), Some(4));
}

#[test]
fn values_keep_their_signs() {
    let btf = Btf::parse(&sample().bytes()).unwrap();
    let state = btf.get(btf.named("state").next().unwrap()).unwrap();
    let Body::Enumeration(numbers) = state.body else { panic!("{state:?}") };
    assert_eq!(numbers.iter().map(|number| number.value).collect::<Vec<_>>(), [u64::MAX]);
}

#[test]
fn the_largest_of_several_is_taken() {
    let mut image = vec![0; 33];
    let mut small = Builder::new();
    small.integer("u8", 1, 0);
    image.extend(small.bytes());
    image.extend(sample().bytes());
    image.extend(small.bytes());
    assert_eq!(Btf::find(&image).unwrap().len(), 11);
    assert_eq!(Btf::find(&image[..32]).unwrap_err(), BtfError::NotFound { length: 32 });
}

#[test]
fn circles_have_an_end() {
    let mut builder = Builder::new();
    builder.record("ring", 8, false, 2, &[], 0);
    builder.record("", 10, false, 1, &[], 0);
    builder.array(3, 7);
    builder.structure("self", 8, &[("", 4, 0, 0)]);
    let btf = Btf::parse(&builder.bytes()).unwrap();
    assert!(btf.resolve(1).is_none());
    assert_eq!(btf.size_of(3), None);
    assert!(btf.field("self", "anything").is_err());
}

#[test]
fn a_record_that_is_cut_or_unknown_is_refused() {
    let mut builder = Builder::new();
    builder.record("", 13, false, 0, &[], 1);
    let error = Btf::parse(&builder.bytes()).unwrap_err();
    assert_eq!(error, BtfError::CutShort { id: 1, at: 0, length: 12 });
    let mut builder = Builder::new();
    builder.integer("int", 4, 1);
    builder.record("", 31, false, 0, &[], 0);
    let error = Btf::parse(&builder.bytes()).unwrap_err();
    assert_eq!(error, BtfError::UnknownKind { id: 2, at: 16, kind: 31 });
}
