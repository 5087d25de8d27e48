//! `/proc/self/mountstats`, and the addresses of servers in `/proc/self/mountinfo`.
//!
//! ```text
//! device nas:/export mounted on /mnt/nas with fstype nfs4 statvers=1.1
//!         age:    3600
//!         events: 52 …
//!         bytes:  1207640230 …
//!         xprt:   tcp 832 0 2 …
//!         per-op statistics
//!                     READ: 1298 1298 0 207680 1210292152 6 79386 79407 0
//! ```

use std::ops::Range;

use crate::host::parse::{ParseError, fields, lines, unsigned};

/// Number of counts behind `bytes:`.
pub(super) const BYTES: usize = 8;
/// Number of counts behind `events:`.
pub(super) const EVENTS: usize = 27;
/// Number of counts of a transport that are kept.
pub(super) const TRANSPORT: usize = 10;
/// Number of counts behind an operation that are kept.
pub(super) const OPERATION: usize = 8;

/// Numbers by their place in a line. Old kernels have fewer.
pub(super) type Counts<const N: usize> = [Option<u64>; N];

/// The NFS mounts of a host.
#[derive(Debug, Default)]
pub(super) struct Mounts<'t> {
    pub(super) mounts: Vec<Mount<'t>>,
    transports: Vec<Transport<'t>>,
    operations: Vec<Operation<'t>>,
}

/// One mount. Names are as in the file, with blanks and some other characters as `\040`.
#[derive(Debug)]
pub(super) struct Mount<'t> {
    pub(super) export: &'t [u8],
    pub(super) mount_point: &'t [u8],
    pub(super) age_seconds: Option<u64>,
    pub(super) bytes: Counts<BYTES>,
    pub(super) events: Counts<EVENTS>,
    /// Which of the transports are its own.
    transports: Range<usize>,
    /// Which of the operations are its own.
    operations: Range<usize>,
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Transport<'t> {
    pub(super) protocol: &'t [u8],
    /// Binds, connects, seconds idle, sends, receives, unknown answers, backlog, most slots, sending, pending.
    pub(super) counts: Counts<TRANSPORT>,
}

#[derive(Debug)]
pub(super) struct Operation<'t> {
    pub(super) name: &'t [u8],
    pub(super) counts: Counts<OPERATION>,
}

/// Gives the NFS mounts, and the first line that is not as documented; what is in the other lines is given.
pub(super) fn parse(text: &[u8]) -> (Mounts<'_>, Option<ParseError>) {
    let mut all = Mounts::default();
    let mut first_error = None;
    let mut section = Section::PassedOver;
    for (number, line) in lines(text) {
        let mut columns = fields(line);
        let Some(word) = columns.next() else { continue };
        let added = match (word, section) {
            (b"device" | b"no", _) => {
                let mount = new_mount(line, all.transports.len(), all.operations.len());
                section = if mount.is_some() { Section::Mount } else { Section::PassedOver };
                all.mounts.extend(mount);
                Some(())
            }
            (b"per-op", Section::Mount) => {
                section = Section::Operations;
                Some(())
            }
            (_, Section::PassedOver) => Some(()),
            (_, Section::Mount) => all.add_to_mount(word, columns),
            (_, Section::Operations) => all.add_operation(word, columns),
        };
        if added.is_none() {
            first_error.get_or_insert_with(|| ParseError::new(number, "counts", line));
        }
    }
    (all, first_error)
}

/// What the lines are about.
#[derive(Clone, Copy)]
enum Section {
    /// A file system that is not NFS.
    PassedOver,
    Mount,
    /// The operations of the mount.
    Operations,
}

/// The mount that a line begins, if it is one of NFS that has statistics.
fn new_mount(line: &[u8], transports: usize, operations: usize) -> Option<Mount<'_>> {
    let mut columns = fields(line);
    let mut after = |word: &[u8]| columns.find(|&column| column == word).and_then(|_| columns.next());
    let (export, mount_point, fs_type) = (after(b"device")?, after(b"on")?, after(b"fstype")?);
    let is_nfs = matches!(fs_type, b"nfs" | b"nfs4");
    let has_statistics = columns.next().is_some_and(|column| column.starts_with(b"statvers="));
    (is_nfs && has_statistics).then_some(Mount {
        export,
        mount_point,
        age_seconds: None,
        bytes: [None; BYTES],
        events: [None; EVENTS],
        transports: transports..transports,
        operations: operations..operations,
    })
}

impl<'t> Mounts<'t> {
    pub(super) fn transports_of(&self, mount: &Mount<'_>) -> &[Transport<'t>] {
        self.transports.get(mount.transports.clone()).unwrap_or_default()
    }

    pub(super) fn operations_of(&self, mount: &Mount<'_>) -> &[Operation<'t>] {
        self.operations.get(mount.operations.clone()).unwrap_or_default()
    }

    /// Adds what a line about the last mount has. `None` if a count is not one.
    fn add_to_mount(&mut self, word: &[u8], mut columns: impl Iterator<Item = &'t [u8]>) -> Option<()> {
        let mount = self.mounts.last_mut()?;
        match word {
            b"age:" => mount.age_seconds = Some(columns.next().and_then(unsigned)?),
            b"bytes:" => mount.bytes = counts(columns)?,
            b"events:" => mount.events = counts(columns)?,
            b"xprt:" => {
                let protocol = columns.next()?;
                self.transports.push(Transport { protocol, counts: transport(protocol, columns)? });
                mount.transports.end = self.transports.len();
            }
            _ => {}
        }
        Some(())
    }

    /// Adds an operation of the last mount. `None` if a count is not one.
    fn add_operation(&mut self, word: &'t [u8], columns: impl Iterator<Item = &'t [u8]>) -> Option<()> {
        let (name, counts) = (word.strip_suffix(b":")?, counts(columns)?);
        self.operations.push(Operation { name, counts });
        self.mounts.last_mut()?.operations.end = self.operations.len();
        Some(())
    }
}

/// The counts of a transport, in the order of [`Transport::counts`]. UDP has no connections, and RDMA nothing about
/// slots and queues, other numbers following there; statistics of version 1.0 end with the backlog.
fn transport<'t>(protocol: &[u8], columns: impl Iterator<Item = &'t [u8]>) -> Option<Counts<TRANSPORT>> {
    const CONNECTED: [Option<usize>; TRANSPORT] =
        [Some(1), Some(2), Some(4), Some(5), Some(6), Some(7), Some(9), Some(10), Some(11), Some(12)];
    const DATAGRAMS: [Option<usize>; TRANSPORT] =
        [Some(1), None, None, Some(2), Some(3), Some(4), Some(6), Some(7), Some(8), Some(9)];
    const REMOTE_MEMORY: [Option<usize>; TRANSPORT] =
        [Some(1), Some(2), Some(4), Some(5), Some(6), Some(7), Some(9), None, None, None];
    let places = match protocol {
        b"tcp" => CONNECTED,
        b"udp" => DATAGRAMS,
        b"rdma" => REMOTE_MEMORY,
        _ => return Some([None; TRANSPORT]),
    };
    let all: Counts<13> = counts(columns)?;
    Some(places.map(|place| place.and_then(|place| all.get(place).copied().flatten())))
}

/// The first `N` counts. `None` if one of them is something else.
fn counts<'t, const N: usize>(columns: impl Iterator<Item = &'t [u8]>) -> Option<Counts<N>> {
    let mut counts = [None; N];
    for (slot, column) in counts.iter_mut().zip(columns) {
        *slot = Some(unsigned(column)?);
    }
    Some(counts)
}

/// The addresses of NFS servers by mount.
#[derive(Debug)]
pub(super) struct Addresses<'t> {
    all: Vec<(&'t [u8], &'t [u8], &'t [u8])>,
    next: usize,
}

impl<'t> Addresses<'t> {
    /// Reads the table of mounts (kernel: `Documentation/filesystems/proc.rst`, section 3.5).
    pub(super) fn parse(mountinfo: &'t [u8]) -> Self {
        let all = lines(mountinfo).filter_map(|(_, line)| {
            let mut columns = fields(line);
            let mount_point = columns.nth(4)?;
            columns.find(|&column| column == b"-")?;
            columns.next().filter(|fs_type| matches!(*fs_type, b"nfs" | b"nfs4"))?;
            let (export, options) = (columns.next()?, columns.next()?);
            let address =
                options.split(|&byte| byte == b',').find_map(|option| option.strip_prefix(b"addr="));
            Some((export, mount_point, address.unwrap_or_default()))
        });
        Self { all: all.collect(), next: 0 }
    }

    /// The address of the server of a mount, or nothing. Cheap when asked in the order of the file.
    pub(super) fn of(&mut self, mount: &Mount<'_>) -> &'t [u8] {
        let is_of = |&(export, mount_point, _): &(&[u8], &[u8], &'t [u8])| {
            export == mount.export && mount_point == mount.mount_point
        };
        let mut places = (self.next..self.all.len()).chain(0..self.next);
        let found = places.find_map(|place| Some((place, self.all.get(place).filter(|one| is_of(one))?)));
        let Some((place, &(.., address))) = found else { return b"" };
        self.next = place + 1;
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'t>(text: &'t str) -> Mounts<'t> {
        let (mounts, error) = parse(text.as_bytes());
        assert_eq!(error, None);
        mounts
    }

    #[test]
    fn only_mounts_of_nfs_with_statistics() {
        let text = "device sysfs mounted on /sys with fstype sysfs\nno device mounted on / with fstype rootfs\n\
                    device a:/b mounted on /mnt/a\\040b with fstype nfs statvers=1.1\n\tage:\t7\n\
                    device nfsd mounted on /proc/fs/nfsd with fstype nfsd\n\tage:\tx\n";
        let all = of(text);
        assert_eq!(all.mounts.len(), 1);
        let mount = &all.mounts[0];
        assert_eq!(
            (mount.export, mount.mount_point, mount.age_seconds),
            (&b"a:/b"[..], &b"/mnt/a\\040b"[..], Some(7))
        );
    }

    #[test]
    fn transports_of_all_kinds() {
        let device = "device a:/b mounted on /m with fstype nfs statvers=1.1\n";
        let counts = |line: &str| of(&format!("{device}\txprt:\t{line}\n")).transports[0].counts;
        let some = |all: [u64; 10]| all.map(Some);
        assert_eq!(counts("tcp 700 1 2 3 4 5 6 7 8 9 10 11 12"), some([1, 2, 4, 5, 6, 7, 9, 10, 11, 12]));
        let [bind, connect, idle, .., slots, sending, pending] = counts("tcp 700 1 2 3 4 5 6 7 8 9");
        assert_eq!(
            [bind, connect, idle, slots, sending, pending],
            [Some(1), Some(2), Some(4), None, None, None]
        );
        let udp = counts("udp 700 1 2 3 4 5 6 7 8 9");
        assert_eq!((udp[1], udp[2], udp[3], udp[9]), (None, None, Some(2), Some(9)));
        let rdma = counts("rdma 700 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
        assert_eq!((rdma[0], rdma[6], rdma[7]), (Some(1), Some(9), None));
        assert_eq!(counts("local x y"), [None; TRANSPORT]);
    }

    #[test]
    fn a_broken_line_is_named_and_the_others_are_given() {
        let text =
            b"device a:/b mounted on /m with fstype nfs statvers=1.1\n\tage:\t-1\n\tnew:\tx\n\tbytes:\t1 2\n\
                     \tper-op statistics\n\t  READ: 1 x\n\t  WRITE: 5 6\n";
        let (all, error) = parse(text);
        assert_eq!(error.unwrap().line, 2);
        assert_eq!(all.mounts[0].bytes[..3], [Some(1), Some(2), None]);
        let names: Vec<&[u8]> = all.operations.iter().map(|operation| operation.name).collect();
        assert_eq!((names, all.mounts[0].operations.clone()), (vec![&b"WRITE"[..]], 0..1));
    }

    #[test]
    fn addresses_in_any_order() {
        let line = |export: &str, at: &str, address: &str| {
            format!("9 1 0:5 / {at} rw shared:3 - nfs4 {export} rw,vers=4.2,addr={address}\n")
        };
        let info = [line("a:/x", "/1", "10.0.0.1"), "9 1 8:1 / / rw - ext4 /dev/sda1 rw\n".to_owned()]
            .concat()
            + &line("b:/y", "/2", "fe80::1")
            + "9 1 0:6 / /3 rw - nfs a:/x rw,vers=3\n";
        let mut addresses = Addresses::parse(info.as_bytes());
        let stats = ["b:/y mounted on /2", "a:/x mounted on /1", "a:/x mounted on /3", "a:/x mounted on /2"]
            .map(|mount| format!("device {mount} with fstype nfs statvers=1.1\n"));
        let found = stats.iter().map(|line| addresses.of(&of(line).mounts[0]).to_vec());
        assert_eq!(found.collect::<Vec<_>>(), [&b"fe80::1"[..], b"10.0.0.1", b"", b""]);
    }

    #[test]
    fn survives_a_cut_file() {
        let whole = |text: &[u8]| parse(text).1.map_or(Ok(()), Err);
        crate::collectors::at_every_cut("proc/self/mountstats", whole);
        crate::collectors::at_every_cut("proc/self/mountinfo", |text| {
            Ok::<_, ParseError>(Addresses::parse(text).all.len())
        });
    }
}
