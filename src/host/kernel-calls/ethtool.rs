//! What drivers say of network devices, by the ioctl `SIOCETHTOOL` (kernel: `include/uapi/linux/ethtool.h`).
//!
//! # The size of an answer
//!
//! Who asks for a driver's statistics says how many there are, and until recently the kernel did not care: it wrote
//! as many as the driver had by then. The number can change between two calls, since some drivers count for each
//! queue, and nothing bounds it, so that no room to spare is enough. Here each answer goes to the beginning of
//! [`ROOM`] bytes that are followed by memory which nobody may write to: the kernel writes upwards and gives EFAULT
//! when it comes to that. The number that it says it wrote is then compared with the one that was asked for, and
//! nothing is believed unless they are the same. New kernels write nothing if they differ, and say 0.

use std::ffi::{c_char, c_void};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::ptr::{self, NonNull};

/// The length of a statistic's name. A shorter one has zero bytes behind it.
pub const NAME_BYTES: usize = 32;

/// Room for the names of 32,767 statistics; a multiple of all page sizes. What is not written to costs no memory.
const ROOM: usize = 1 << 20;
const GUARD: usize = 1 << 16;

const GET_DRIVER: u32 = 0x03; // ETHTOOL_GDRVINFO
const GET_STRINGS: u32 = 0x1b; // ETHTOOL_GSTRINGS
const GET_STATISTICS: u32 = 0x1d; // ETHTOOL_GSTATS
const GET_LINK_SETTINGS: u32 = 0x4c; // ETHTOOL_GLINKSETTINGS
const STATISTICS: u32 = 1; // ETH_SS_STATS

/// The sizes of `struct ethtool_gstrings`, `ethtool_stats` and `ethtool_link_settings` before what they end in.
const STRINGS_HEADER: usize = 12;
const STATISTICS_HEADER: usize = 8;
const LINK_SETTINGS_HEADER: usize = 48;

/// Asks drivers. Drivers may take their time: some talk to their device's firmware.
#[derive(Debug)]
pub struct Ethtool {
    /// Any socket will do, and this kind is allowed in most sandboxes.
    socket: UnixDatagram,
    memory: Memory,
    /// How many words of 32 bits the kernel has for a set of link modes.
    mode_words: u8,
}

/// `struct ethtool_drvinfo`. Texts are empty where the driver has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driver<'a> {
    /// The driver's name.
    pub name: &'a [u8],
    /// Its version, mostly the kernel's.
    pub version: &'a [u8],
    /// The version of the device's firmware.
    pub firmware_version: &'a [u8],
    /// Where the device is plugged in, such as a PCI address.
    pub bus: &'a [u8],
    /// The version of the ROM that a computer can start from over this device.
    pub expansion_rom_version: &'a [u8],
    /// How many statistics the driver has at the moment.
    pub statistics: u32,
}

/// `struct ethtool_link_settings`, sets with bits `ETHTOOL_LINK_MODE_` up to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkModes {
    /// Whether speed and duplex are agreed with the other end.
    pub autonegotiation: bool,
    /// What the device could do.
    pub supported: u128,
    /// What it offers to the other end.
    pub advertised: u128,
}

impl Ethtool {
    /// Makes ready to ask about the devices of this process' network namespace.
    ///
    /// # Errors
    /// When there is no socket or no memory to be had.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, memory: Memory::new(ROOM)?, mode_words: 0 })
    }

    /// The driver of `device`.
    ///
    /// # Errors
    /// What the kernel gave: EOPNOTSUPP for devices without, ENODEV where the device has gone.
    pub fn driver(&mut self, device: &[u8]) -> io::Result<Driver<'_>> {
        let answer = self.ask(device, &GET_DRIVER.to_ne_bytes())?;
        let text = |at: usize| answer[at..at + 32].split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Driver {
            name: text(4),
            version: text(36),
            firmware_version: text(68),
            bus: text(100),
            expansion_rom_version: text(132),
            statistics: u32_at(answer, 180),
        })
    }

    /// The names of the statistics of `device`, which has `count` of them.
    ///
    /// # Errors
    /// As [`Ethtool::driver`]; EAGAIN if it has another number by now and EFAULT if it has far too many.
    pub fn statistic_names(&mut self, device: &[u8], count: u32) -> io::Result<&[[u8; NAME_BYTES]]> {
        let answer =
            self.ask(device, [GET_STRINGS, STATISTICS, count].map(u32::to_ne_bytes).as_flattened())?;
        counted(answer, STRINGS_HEADER, count)
    }

    /// Puts the statistics of `device`, which has `count` of them, into `values`.
    ///
    /// # Errors
    /// As [`Ethtool::statistic_names`].
    pub fn statistics(&mut self, device: &[u8], count: u32, values: &mut Vec<u64>) -> io::Result<()> {
        values.clear();
        let answer = self.ask(device, [GET_STATISTICS, count].map(u32::to_ne_bytes).as_flattened())?;
        values.extend(
            counted(answer, STATISTICS_HEADER, count)?.iter().map(|value| u64::from_ne_bytes(*value)),
        );
        Ok(())
    }

    /// The link modes of `device`.
    ///
    /// # Errors
    /// As [`Ethtool::driver`]. Kernels before 4.6 do not know the call: EOPNOTSUPP.
    pub fn link_modes(&mut self, device: &[u8]) -> io::Result<LinkModes> {
        // The kernel answers a wrong number of words with the right one, negated.
        for _ in 0..2 {
            let mut request = [0; LINK_SETTINGS_HEADER];
            request[..4].copy_from_slice(&GET_LINK_SETTINGS.to_ne_bytes());
            request[15] = self.mode_words;
            let answer = self.ask(device, &request)?;
            let words = answer[15].cast_signed();
            if words > 0 {
                return Ok(link_modes(answer, usize::from(words.unsigned_abs())));
            }
            self.mode_words = words.unsigned_abs();
        }
        Err(again())
    }

    /// Hands `request` to the kernel. Gives the memory that has the answer at its beginning.
    fn ask(&mut self, device: &[u8], request: &[u8]) -> io::Result<&[u8]> {
        let mut name = [0; libc::IFNAMSIZ];
        if device.len() >= name.len() || device.contains(&0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in name.iter_mut().zip(device) {
            *to = *from as c_char;
        }
        self.memory.bytes_mut()[..request.len()].copy_from_slice(request);
        let ifru_data = self.memory.start.as_ptr();
        let mut call = libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data } };
        // SAFETY: the pointer is to a whole `ifreq` that lives throughout the call, with a name that ends in a zero
        // byte. The kernel reads from and writes to nothing else than that and what `ifru_data` points to. There it
        // starts at the beginning of `memory`, which is borrowed for writing, and goes upwards: it ends inside or at
        // the guard behind it.
        let result =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut call) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(self.memory.bytes()) }
    }
}

/// The `count` entries behind a header whose last word says how many there are.
fn counted<const BYTES: usize>(answer: &[u8], header: usize, count: u32) -> io::Result<&[[u8; BYTES]]> {
    if u32_at(answer, header - 4) != count {
        return Err(again());
    }
    let (entries, _) = answer[header..].as_chunks();
    entries.get(..count as usize).ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))
}

fn link_modes(answer: &[u8], words: usize) -> LinkModes {
    let set = |number: usize| {
        let at = |word: usize| u32_at(answer, LINK_SETTINGS_HEADER + 4 * (number * words + word));
        (0..words.min(4)).fold(0, |bits, word| bits | u128::from(at(word)) << (32 * word))
    };
    LinkModes { autonegotiation: answer[11] != 0, supported: set(0), advertised: set(1) }
}

fn u32_at(answer: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&answer[at..at + 4]);
    u32::from_ne_bytes(bytes)
}

fn again() -> io::Error {
    io::Error::from_raw_os_error(libc::EAGAIN)
}

/// Memory for answers of any size: what does not fit meets a guard and goes nowhere.
#[derive(Debug)]
struct Memory {
    /// The beginning of `room` bytes that are ours to read and write, with [`GUARD`] bytes behind them that nobody
    /// may touch.
    start: NonNull<c_char>,
    room: usize,
}

// SAFETY: the memory belongs to the value alone, and nothing ties it to a thread.
unsafe impl Send for Memory {}

impl Memory {
    /// `room` is a multiple of the page size.
    fn new(room: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at a place of the kernel's choice touches no other memory.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(ptr::null_mut(), room + GUARD, libc::PROT_NONE, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(pointer) = NonNull::new(start.cast()) else { return Err(io::ErrorKind::OutOfMemory.into()) };
        let memory = Self { start: pointer, room };
        // SAFETY: the range is the first part of the mapping that was just made.
        if unsafe { libc::mprotect(start, room, libc::PROT_READ | libc::PROT_WRITE) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(memory)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: these bytes are mapped for reading until `self` is dropped, the kernel has made them zero, and
        // whoever writes to them borrows `self` for writing.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.room) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; they are mapped for writing too and `self` is borrowed for it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.room) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping that `new` made, and nobody has a reference to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast::<c_void>(), self.room + GUARD) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn the_kernel_stops_at_the_guard() {
        let memory = Memory::new(GUARD).expect("memory");
        let zeros = File::open("/dev/zero").expect("/dev/zero");
        let read = |length: usize| {
            // SAFETY: what is behind `memory` is its guard, which this test is about; it is not written to.
            unsafe { libc::read(zeros.as_raw_fd(), memory.start.as_ptr().cast(), length) }
        };
        assert_eq!(read(GUARD), GUARD.cast_signed());
        assert_eq!(read(2 * GUARD), GUARD.cast_signed());
        drop(memory);
    }

    #[test]
    fn only_as_many_entries_as_were_asked_for() {
        let entries = |written: u32, count: u32| {
            let header = [GET_STATISTICS, written].map(u32::to_ne_bytes);
            let answer = [header.as_flattened(), &[7; 20]].concat();
            let counted = counted::<8>(&answer, STATISTICS_HEADER, count).map(<[_]>::to_vec);
            counted.map_err(|error| error.raw_os_error())
        };
        assert_eq!(entries(2, 2), Ok(vec![[7; 8]; 2]));
        for written in [0, 1, 3, u32::MAX] {
            assert_eq!(entries(written, 2), Err(Some(libc::EAGAIN)));
        }
        assert_eq!(entries(3, 3), Err(Some(libc::EFAULT)), "there is room for two");
    }

    #[test]
    fn sets_of_link_modes_have_as_many_words_as_the_kernel_says() {
        let mut answer = vec![0; 256];
        answer[11] = 1;
        for (place, word) in [1u32, 2, 0, 0, 16, 0, 4, 0, 0, 32].into_iter().enumerate() {
            answer[48 + 4 * place..][..4].copy_from_slice(&word.to_ne_bytes());
        }
        let modes = link_modes(&answer, 5);
        assert_eq!((modes.supported, modes.advertised), (1 | 2 << 32, 4 << 32,));
        assert_eq!(
            link_modes(&answer, 2),
            LinkModes { autonegotiation: true, supported: 1 | 2 << 32, advertised: 0 }
        );
    }

    #[test]
    fn devices_that_are_not_there() {
        let mut ethtool = Ethtool::open().expect("a socket");
        let mut error = |device: &[u8]| ethtool.driver(device).expect_err("no such device").kind();
        assert_eq!(error(b"sixteen-letters-"), io::ErrorKind::InvalidInput);
        assert_eq!(error(b"a\0b"), io::ErrorKind::InvalidInput);
        assert_ne!(error(b"no-such-device"), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn all_devices_here_say_the_same_twice() {
        let mut ethtool = Ethtool::open().expect("a socket");
        for entry in std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
            let device = entry.file_name();
            let device = device.as_encoded_bytes();
            let first = ethtool.link_modes(device).ok();
            assert_eq!(ethtool.link_modes(device).ok(), first);
            let Ok(driver) = ethtool.driver(device) else { continue };
            assert!(!driver.name.is_empty(), "{driver:?}");
            let count = driver.statistics;
            if count == 0 {
                continue;
            }
            let names = ethtool.statistic_names(device, count).map(<[_]>::to_vec).expect("names");
            assert!(names.iter().all(|name| name.is_ascii()), "{names:?}");
            let mut values = Vec::new();
            ethtool.statistics(device, count, &mut values).expect("values");
            assert_eq!((names.len(), values.len()), (count as usize, count as usize));
            assert!(ethtool.statistics(device, count + 1, &mut values).is_err() && values.is_empty());
        }
    }
}
