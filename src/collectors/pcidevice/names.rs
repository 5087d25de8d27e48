//! The file `pci.ids`, which has the names that people know devices by (`pci.ids(5)`).

use std::collections::HashMap;

use crate::host::parse::{fields, lines};

/// What the numbers of one device are, in hexadecimal digits without `0x`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'t> {
    pub class: &'t [u8],
    pub vendor: &'t [u8],
    pub device: &'t [u8],
    pub subsystem_vendor: &'t [u8],
    pub subsystem_device: &'t [u8],
}

/// The names in the file, by the numbers of what they name with a letter before them.
#[derive(Debug, Default)]
pub(super) struct Names<'t>(HashMap<Box<[u8]>, &'t [u8]>);

impl<'t> Names<'t> {
    /// Reads the whole file. Lines are `8086  Intel Corporation`, below it with a tab its devices and with two tabs
    /// their subsystems; and `C 01  Mass storage controller`, below it its subclasses and their interfaces.
    pub(super) fn parse(text: &'t [u8]) -> Self {
        let mut names = HashMap::new();
        let mut above: [&[u8]; 2] = [b"", b""];
        let mut kind = b'v';
        for (_, line) in lines(text).filter(|(_, line)| !line.starts_with(b"#")) {
            let depth = line.iter().take_while(|&&byte| byte == b'\t').count();
            let Some((ids, name)) = split(line.get(depth..).unwrap_or_default()) else { continue };
            let ids = match (depth, ids.strip_prefix(b"C ")) {
                (0, Some(class)) => {
                    kind = b'c';
                    class
                }
                (0, None) => {
                    kind = b'v';
                    ids
                }
                _ => ids,
            };
            let [first, second] = above;
            match depth {
                0 => above = [ids, b""],
                1 => above = [first, ids],
                2 => {}
                _ => continue,
            }
            let upper: &[&[u8]] = match depth {
                0 => &[],
                1 => &[first],
                _ => &[first, second],
            };
            let parts = upper.iter().copied().chain(fields(ids));
            names.insert(key(kind, parts), name);
        }
        Self(names)
    }

    /// The vendor's name, or its number.
    pub(super) fn vendor<'a>(&self, vendor: &'a [u8]) -> &'a [u8]
    where
        't: 'a,
    {
        self.find(b'v', &[vendor]).unwrap_or(vendor)
    }

    /// The device's name, or its number.
    pub(super) fn device<'a>(&self, ids: Ids<'a>) -> &'a [u8]
    where
        't: 'a,
    {
        self.find(b'v', &[ids.vendor, ids.device]).unwrap_or(ids.device)
    }

    /// What the device was built into, or its number.
    pub(super) fn subsystem<'a>(&self, ids: Ids<'a>) -> &'a [u8]
    where
        't: 'a,
    {
        let path = [ids.vendor, ids.device, ids.subsystem_vendor, ids.subsystem_device];
        self.find(b'v', &path).unwrap_or(ids.subsystem_device)
    }

    /// The name of the interface, the subclass or the class, whichever is known first.
    pub(super) fn class(&self, class: &[u8]) -> Option<&'t [u8]> {
        let part = |range| class.get(range).unwrap_or_default();
        let path = [part(0..2), part(2..4), part(4..6)];
        self.find(b'c', &path).or_else(|| self.find(b'c', &path[..2])).or_else(|| self.find(b'c', &path[..1]))
    }

    fn find(&self, kind: u8, path: &[&[u8]]) -> Option<&'t [u8]> {
        self.0.get(&key(kind, path.iter().copied())).copied()
    }
}

fn key<'a>(kind: u8, parts: impl Iterator<Item = &'a [u8]>) -> Box<[u8]> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
        key.push(b'/');
    }
    key.into()
}

/// Numbers and name are parted by two blanks.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(line, b"  ")?;
    let (ids, name) = line.split_at_checked(at)?;
    Some((ids.trim_ascii(), name.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_and_classes() {
        let text = std::fs::read("tests/fixtures/server/pci.ids").unwrap();
        let names = Names::parse(&text);
        let ids = Ids {
            class: b"010802",
            vendor: b"144d",
            device: b"a80a",
            subsystem_vendor: b"144d",
            subsystem_device: b"a801",
        };
        assert_eq!(names.vendor(ids.vendor), b"Samsung Electronics Co Ltd");
        assert_eq!(names.device(ids), b"NVMe SSD Controller PM9A1/PM9A3/980PRO");
        assert_eq!(names.subsystem(ids), b"SSD 980 PRO");
        assert_eq!(names.subsystem(Ids { subsystem_device: b"ffff", ..ids }), b"ffff");
        assert_eq!(names.device(Ids { vendor: b"8086", ..ids }), b"a80a");
        assert_eq!(names.vendor(b"dead"), b"dead");
        for (class, want) in [
            (&b"010802"[..], Some(&b"NVM Express"[..])),
            (b"0108ff", Some(b"Non-Volatile memory controller")),
            (b"01ffff", Some(b"Mass storage controller")),
            (b"ffffff", None),
            (b"", None),
        ] {
            assert_eq!(names.class(class), want);
        }
        for end in 0..text.len() {
            Names::parse(&text[..end]);
        }
    }
}
