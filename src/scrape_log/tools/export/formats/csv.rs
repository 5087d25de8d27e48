//! `--format csv`: a row per sample.

use std::io::{self, Write};

use super::{Parts, Sink, rfc3339, table_error, table_writer};
use crate::scrape_log::files::{Metadata, Sample, SeriesMap};

const HEADER: [&str; 6] = ["time", "job", "instance", "name", "labels", "value"];

pub(in crate::scrape_log::tools::export) struct Csv<'a> {
    table: csv::Writer<&'a mut dyn Write>,
    series: SeriesMap<Parts>,
    time: (i64, String),
    has_header: bool,
}

impl<'a> Csv<'a> {
    pub(in crate::scrape_log::tools::export) fn new(out: &'a mut dyn Write) -> Self {
        let series = SeriesMap::default();
        Self { table: table_writer(out), series, time: (0, rfc3339(0)), has_header: false }
    }

    fn header(&mut self) -> io::Result<()> {
        if !self.has_header {
            self.has_header = true;
            self.table.write_record(HEADER).map_err(table_error)?;
        }
        Ok(())
    }
}

impl Sink for Csv<'_> {
    fn sample(&mut self, time: i64, sample: &Sample<'_>, _: &Metadata) -> io::Result<()> {
        self.header()?;
        if time != self.time.0 {
            self.time = (time, rfc3339(time));
        }
        let Parts { name, job, instance, labels } =
            self.series.get(sample.series, || Parts::of(sample.series));
        let texts = [&self.time.1, job, instance, name, labels].map(String::as_bytes);
        self.table.write_record(texts.iter().chain([&sample.value])).map_err(table_error)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.header()?;
        self.table.flush()
    }
}
