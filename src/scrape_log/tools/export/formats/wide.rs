//! `--format csv-wide`: a row per scrape, a column per series.
//!
//! The header has to name all columns, so the files are read twice: [`Columns`] first finds out which there are. The
//! labels `job` and `instance` are columns of their own, so that the same series of two targets share a column.

use std::io::{self, Write};

use super::{Parts, Sink, rfc3339, table_error, table_writer};
use crate::scrape_log::files::{Metadata, Sample, SeriesMap};
use crate::scrape_log::tools::export::table::Table;

/// The columns that are needed, by name and labels.
#[derive(Default)]
pub(in crate::scrape_log::tools::export) struct Columns {
    names: Table<()>,
    seen: SeriesMap<()>,
}

/// Writes the rows.
pub(in crate::scrape_log::tools::export) struct Wide<'a> {
    table: csv::Writer<&'a mut dyn Write>,
    columns: &'a Columns,
    series: SeriesMap<Option<Place>>,
    time: i64,
    /// The rows of this time: one, unless a page has samples of several instances.
    rows: Vec<Row>,
    has_header: bool,
}

/// Where a sample belongs.
struct Place {
    job: String,
    instance: String,
    column: usize,
}

struct Row {
    job: String,
    instance: String,
    values: Vec<Vec<u8>>,
}

fn column_name(parts: &Parts) -> String {
    format!("{}{}", parts.name, parts.labels)
}

impl Sink for Columns {
    fn sample(&mut self, _: i64, sample: &Sample<'_>, _: &Metadata) -> io::Result<()> {
        let names = &mut self.names;
        self.seen.get(sample.series, || {
            names.row(column_name(&Parts::of(sample.series)).as_bytes(), || ());
        });
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.names.sort();
        Ok(())
    }
}

impl<'a> Wide<'a> {
    pub(in crate::scrape_log::tools::export) fn new(out: &'a mut dyn Write, columns: &'a Columns) -> Self {
        let (table, series) = (table_writer(out), SeriesMap::default());
        Self { table, columns, series, time: 0, rows: Vec::new(), has_header: false }
    }

    fn header(&mut self) -> io::Result<()> {
        if !self.has_header {
            self.has_header = true;
            let names = self.columns.names.rows().iter().map(|(name, ())| &**name);
            let own = ["time", "job", "instance"].map(str::as_bytes);
            self.table.write_record(own.into_iter().chain(names)).map_err(table_error)?;
        }
        Ok(())
    }

    fn write_rows(&mut self) -> io::Result<()> {
        self.header()?;
        let time = rfc3339(self.time);
        // A row that was not filled is from a scrape before.
        for row in self.rows.iter_mut().filter(|row| row.values.iter().any(|value| !value.is_empty())) {
            let own = [&time, &row.job, &row.instance].map(String::as_bytes);
            let values = row.values.iter().map(Vec::as_slice);
            self.table.write_record(own.into_iter().chain(values)).map_err(table_error)?;
            row.values.iter_mut().for_each(Vec::clear);
        }
        Ok(())
    }
}

impl Sink for Wide<'_> {
    fn sample(&mut self, time: i64, sample: &Sample<'_>, _: &Metadata) -> io::Result<()> {
        if time != self.time {
            self.write_rows()?;
            self.time = time;
        }
        let columns = &self.columns.names;
        let place = self.series.get(sample.series, || {
            let parts = Parts::of(sample.series);
            let column = columns.find(column_name(&parts).as_bytes())?;
            Some(Place { job: parts.job, instance: parts.instance, column })
        });
        let Some(place) = place else { return Ok(()) };
        let same = |row: &Row| row.job == place.job && row.instance == place.instance;
        let at = self.rows.iter().position(same).unwrap_or_else(|| {
            let values = vec![Vec::new(); columns.rows().len()];
            self.rows.push(Row { job: place.job.clone(), instance: place.instance.clone(), values });
            self.rows.len() - 1
        });
        if let Some(value) = self.rows.get_mut(at).and_then(|row| row.values.get_mut(place.column)) {
            sample.value.clone_into(value);
        }
        Ok(())
    }

    fn end_of_target(&mut self) -> io::Result<()> {
        self.write_rows()?;
        self.rows.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_rows()?;
        self.table.flush()
    }
}
