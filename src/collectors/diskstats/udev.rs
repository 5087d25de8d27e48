//! What udev has stored about a block device: a file of its database, named `b` and the device's number
//! (systemd: `src/libsystemd/sd-device/device-private.c`). Lines `E:KEY=value` are the properties.

use std::path::PathBuf;

use crate::host::FileStamp;
use crate::host::parse::{float, lines};

/// The properties of one device, read again when udev has written them anew.
pub(super) struct UdevFile {
    path: Option<PathBuf>,
    stamp: Option<FileStamp>,
    properties: Properties,
}

impl UdevFile {
    /// Names the file; `None` where there is no database. Nothing is read yet.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, stamp: None, properties: Properties::default() }
    }

    /// Reads the file if it has changed. Without a readable file all properties are absent.
    pub(super) fn refresh(&mut self) {
        let Some(path) = &self.path else { return };
        let stamp = FileStamp::of(path).ok();
        if stamp != self.stamp {
            self.properties = std::fs::read(path).map(|text| parse(&text)).unwrap_or_default();
            self.stamp = stamp;
        }
    }

    pub(super) fn properties(&self) -> &Properties {
        &self.properties
    }
}

/// The properties that become labels or values. Texts are empty where the device has no such property.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Properties {
    pub(super) path: Vec<u8>,
    pub(super) model: Vec<u8>,
    pub(super) wwn: Vec<u8>,
    pub(super) revision: Vec<u8>,
    serial: Vec<u8>,
    serial_short: Vec<u8>,
    scsi_serial: Vec<u8>,
    pub(super) fs_type: Vec<u8>,
    pub(super) fs_usage: Vec<u8>,
    pub(super) fs_uuid: Vec<u8>,
    pub(super) fs_version: Vec<u8>,
    pub(super) dm_name: Vec<u8>,
    pub(super) dm_uuid: Vec<u8>,
    pub(super) dm_vg_name: Vec<u8>,
    pub(super) dm_lv_name: Vec<u8>,
    pub(super) dm_lv_layer: Vec<u8>,
    pub(super) is_ata: bool,
    pub(super) ata_write_cache: Option<f64>,
    pub(super) ata_write_cache_enabled: Option<f64>,
    pub(super) ata_rotation_rate_rpm: Option<f64>,
}

impl Properties {
    /// The serial number that is most likely the one printed on the disk.
    pub(super) fn serial(&self) -> &[u8] {
        [&self.scsi_serial, &self.serial_short, &self.serial]
            .into_iter()
            .find(|serial| !serial.is_empty())
            .map_or(b"", Vec::as_slice)
    }
}

/// Other programs write into this database as well, so nothing in it is an error.
fn parse(text: &[u8]) -> Properties {
    let mut properties = Properties::default();
    for (_, line) in lines(text) {
        let Some(pair) = line.strip_prefix(b"E:") else { continue };
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else { continue };
        let value = &pair[equals + 1..];
        let slot = match &pair[..equals] {
            b"ID_PATH" => &mut properties.path,
            b"ID_MODEL" => &mut properties.model,
            b"ID_WWN" => &mut properties.wwn,
            b"ID_REVISION" => &mut properties.revision,
            b"ID_SERIAL" => &mut properties.serial,
            b"ID_SERIAL_SHORT" => &mut properties.serial_short,
            b"SCSI_IDENT_SERIAL" => &mut properties.scsi_serial,
            b"ID_FS_TYPE" => &mut properties.fs_type,
            b"ID_FS_USAGE" => &mut properties.fs_usage,
            b"ID_FS_UUID" => &mut properties.fs_uuid,
            b"ID_FS_VERSION" => &mut properties.fs_version,
            b"DM_NAME" => &mut properties.dm_name,
            b"DM_UUID" => &mut properties.dm_uuid,
            b"DM_VG_NAME" => &mut properties.dm_vg_name,
            b"DM_LV_NAME" => &mut properties.dm_lv_name,
            b"DM_LV_LAYER" => &mut properties.dm_lv_layer,
            key => {
                match key {
                    b"ID_ATA" => properties.is_ata = !value.is_empty(),
                    b"ID_ATA_WRITE_CACHE" => properties.ata_write_cache = float(value),
                    b"ID_ATA_WRITE_CACHE_ENABLED" => properties.ata_write_cache_enabled = float(value),
                    b"ID_ATA_ROTATION_RATE_RPM" => properties.ata_rotation_rate_rpm = float(value),
                    _ => {}
                }
                continue;
            }
        };
        *slot = value.to_vec();
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_on_the_label_comes_first() {
        let mut text = b"S:disk/x\nE:no equals\nE:ID_SERIAL=long_short\n".to_vec();
        for (line, want) in
            [("", "long_short"), ("E:ID_SERIAL_SHORT=short\n", "short"), ("E:SCSI_IDENT_SERIAL=a=b\n", "a=b")]
        {
            text.extend_from_slice(line.as_bytes());
            assert_eq!(parse(&text).serial(), want.as_bytes());
        }
    }

    #[test]
    fn new_properties_are_seen_and_lost_ones_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b8:0");
        let mut file = UdevFile::new(Some(path.clone()));
        file.refresh();
        assert_eq!(file.properties(), &Properties::default());
        std::fs::write(&path, "E:ID_FS_TYPE=ext4\n").unwrap();
        file.refresh();
        assert_eq!(file.properties().fs_type, b"ext4");
        std::fs::remove_file(&path).unwrap();
        file.refresh();
        assert_eq!(file.properties(), &Properties::default());
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("udev/b8:0", |text| Ok::<_, ()>(parse(text)));
    }
}
