//! Counters of the network protocols from `/proc/net/netstat`, `snmp` and `snmp6` (kernel: `net/ipv4/proc.c`,
//! `net/ipv6/proc.c` and `Documentation/networking/snmp_counter.rst`). Which there are depends on the kernel; a
//! pattern decides which become families.

use super::{
    CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, name_part, none_if_absent, read,
};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, whole};

const FIELDS: Flag = Flag::new(
    "netstat.fields",
    FlagKind::Pattern(
        "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|\
         TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
         Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|\
         Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    ),
    "Regular expression of the counters to give, as PROTOCOL_NAME.",
);

pub(super) const SPEC: Spec = Spec {
    name: "netstat",
    default_on: true,
    help: "counters of IP, ICMP, TCP and UDP (/proc/net/netstat, snmp and snmp6)",
    flags: &[FIELDS],
    build: |settings| Ok(Box::new(NetStat::new(settings))),
};

struct NetStat {
    netstat: Tables,
    snmp: Tables,
    snmp6: KernelFile,
    filter: Filter,
    name: Vec<u8>,
}

impl NetStat {
    fn new(settings: &Settings) -> Self {
        let file = |name| KernelFile::new(settings.root.proc("net").join(name));
        Self {
            netstat: Tables { file: file("netstat"), tables: Vec::new() },
            snmp: Tables { file: file("snmp"), tables: Vec::new() },
            snmp6: file("snmp6"),
            filter: Filter::new(settings.pattern(&FIELDS), None),
            name: Vec::new(),
        }
    }
}

impl Collector for NetStat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { netstat, snmp, snmp6, filter, name } = self;
        let mut result = Ok(());
        for file in [netstat, snmp] {
            result = result.and(file.write(&mut context.buffer, filter, out));
        }
        result.and(write_snmp6(snmp6, &mut context.buffer, filter, name, out))
    }
}

/// A file of tables, each a line of names above a line of numbers.
struct Tables {
    file: KernelFile,
    tables: Vec<Table>,
}

/// What a line of names comes to. It stays the same as long as the kernel does, but for protocols whose names are
/// those of the messages that were seen (`IcmpMsg`).
#[derive(Debug, Default)]
struct Table {
    heading: Vec<u8>,
    kept: Vec<Column>,
}

#[derive(Debug, PartialEq)]
struct Column {
    /// Which number of the line it is, from 0.
    place: usize,
    /// The rest of the family's name behind `node_netstat_`.
    name: String,
    /// The protocol and the counter without anything between, for the help.
    title: String,
}

impl Tables {
    fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        filter: &mut Filter,
        out: &mut Exposition,
    ) -> Result<(), CollectError> {
        let text = read(&mut self.file, buffer)?;
        let each = |column: &Column, value| write_sample(&column.name, &column.title, value, out);
        parse_tables(text, &mut self.tables, filter, each).map_err(|error| error.at(self.file.path()).into())
    }
}

/// Hands each kept column with its number to `each`. `tables` is what this gave for the same file before.
fn parse_tables(
    text: &[u8],
    tables: &mut Vec<Table>,
    filter: &mut Filter,
    mut each: impl FnMut(&Column, f64),
) -> Result<(), ParseError> {
    const NUMBERS: &str = "the protocol of the line above and a number for each of its names";
    let mut lines = lines(text);
    let mut index = 0;
    while let Some((number, heading)) = lines.next() {
        if index == tables.len() {
            tables.push(Table::default());
        }
        let table = &mut tables[index];
        index += 1;
        if table.heading != heading {
            table.kept = kept_columns(heading, filter)
                .ok_or_else(|| ParseError::new(number, "a protocol, a colon and names", heading))?;
            table.heading.clear();
            table.heading.extend_from_slice(heading);
        }
        let (number, line) = lines.next().unwrap_or((number + 1, b""));
        let error = || ParseError::new(number, NUMBERS, line);
        let protocol_bytes = heading.iter().position(|&byte| byte == b':').unwrap_or_default() + 1;
        if line.get(..protocol_bytes) != heading.get(..protocol_bytes) {
            return Err(error());
        }
        let mut numbers = fields(line).skip(1);
        let mut passed = 0;
        for column in &table.kept {
            let value = numbers.nth(column.place - passed).and_then(whole).ok_or_else(error)?;
            passed = column.place + 1;
            each(column, value);
        }
    }
    Ok(())
}

fn kept_columns(heading: &[u8], filter: &Filter) -> Option<Vec<Column>> {
    let mut names = fields(heading).map(std::str::from_utf8);
    let protocol = names.next()?.ok()?.strip_suffix(':')?;
    let mut kept = Vec::new();
    for (place, counter) in names.enumerate() {
        let name = format!("{protocol}_{}", counter.ok()?);
        if filter.decides(name.as_bytes()) && name_part(name.as_bytes()).is_some() {
            kept.push(Column { place, title: name.replacen('_', "", 1), name });
        }
    }
    Some(kept)
}

/// Lines such as `Ip6InReceives 10`. The name's part up to the first 6 is the protocol.
fn write_snmp6(
    file: &mut KernelFile,
    buffer: &mut Vec<u8>,
    filter: &mut Filter,
    name: &mut Vec<u8>,
    out: &mut Exposition,
) -> Result<(), CollectError> {
    // Absent without IPv6.
    let text = none_if_absent(file.read(buffer), file.path())?;
    parse_snmp6(text, filter, name, |name, title, value| write_sample(name, title, value, out))
        .map_err(|error| error.at(file.path()).into())
}

fn parse_snmp6(
    text: &[u8],
    filter: &mut Filter,
    name: &mut Vec<u8>,
    mut each: impl FnMut(&str, &str, f64),
) -> Result<(), ParseError> {
    for (number, line) in lines(text) {
        let mut columns = fields(line);
        let title = columns.next().unwrap_or_default();
        let Some(six) = title.iter().position(|&byte| byte == b'6') else { continue };
        let (protocol, counter) = title.split_at(six + 1);
        name.clear();
        name.extend_from_slice(protocol);
        name.push(b'_');
        name.extend_from_slice(counter);
        if !filter.keeps(name) {
            continue;
        }
        let (Some(name), Some(title)) = (name_part(name), name_part(title)) else { continue };
        let value = columns.next().and_then(whole);
        let value = value.ok_or_else(|| ParseError::new(number, "a name and a number", line))?;
        each(name, title, value);
    }
    Ok(())
}

fn write_sample(name: &str, title: &str, value: f64, out: &mut Exposition) {
    out.family_parts(&["node_netstat_", name], &["Value of ", title, " below /proc/net."], Kind::Untyped)
        .sample(&[], value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Filter {
        Filter::new(None, Some(regex_lite::Regex::new("Left").unwrap()))
    }

    fn all(text: &[u8], tables: &mut Vec<Table>) -> Result<Vec<String>, ParseError> {
        let mut found = Vec::new();
        let each = |column: &Column, value| found.push(format!("{} {} {value}", column.name, column.title));
        parse_tables(text, tables, &mut filter(), each).map(|()| found)
    }

    #[test]
    fn tables_that_change() {
        let mut tables = Vec::new();
        let first =
            b"Tcp: MaxConn Left CurrEstab\nTcp: -1 x 18446744073709551615\nIcmpMsg: InType3\nIcmpMsg: 2\n";
        let want = ["Tcp_MaxConn TcpMaxConn -1", "Tcp_CurrEstab TcpCurrEstab 18446744073709552000"];
        for _ in 0..2 {
            let found = all(first, &mut tables).unwrap();
            assert_eq!(
                (&found[..2], found[2].as_str()),
                (&want.map(str::to_owned)[..], "IcmpMsg_InType3 IcmpMsgInType3 2")
            );
        }
        let second =
            b"Tcp: MaxConn Left CurrEstab\nTcp: 1 2 3\nUdp: InDatagrams Odd-Name NoPorts\nUdp: 4 5 6\n";
        let found = all(second, &mut tables).unwrap();
        assert_eq!(found[2..], ["Udp_InDatagrams UdpInDatagrams 4", "Udp_NoPorts UdpNoPorts 6"]);
        assert_eq!(all(b"", &mut tables).unwrap(), [""; 0]);
        for (line, bad) in [
            (2, "Tcp: A B\nTcp: 1\n"),
            (2, "Tcp: A\nTcp: x\n"),
            (2, "Tcp: A\nUdp: 1\n"),
            (2, "Tcp: A\n"),
            (1, "Tcp A\nTcp 1\n"),
            (3, "Tcp: A\nTcp: 1\n\n"),
        ] {
            assert_eq!(all(bad.as_bytes(), &mut tables).unwrap_err().line, line, "{bad:?}");
        }
    }

    #[test]
    fn names_of_snmp6() {
        let all = |text: &[u8]| {
            let mut found = Vec::new();
            let each = |name: &str, title: &str, value| found.push(format!("{name} {title} {value}"));
            parse_snmp6(text, &mut filter(), &mut Vec::new(), each).map(|()| found)
        };
        let text = b"Ip6InOctets   \t7\nIcmp6OutType143\t1\nIp6Left x\nOdd 1\nIp6\xff 1\n\n";
        assert_eq!(all(text).unwrap(), ["Ip6_InOctets Ip6InOctets 7", "Icmp6_OutType143 Icmp6OutType143 1"]);
        assert_eq!(all(b"Ip6A 1\nIp6B\n").unwrap_err().line, 2);
        crate::collectors::at_every_cut("proc/net/snmp6", |text| all(text).map(|all| all.len()));
    }

    #[test]
    fn survives_a_cut_file() {
        for name in ["proc/net/netstat", "proc/net/snmp"] {
            let mut tables = Vec::new();
            crate::collectors::at_every_cut(name, |text| all(text, &mut tables).map(|all| all.len()));
        }
    }
}
