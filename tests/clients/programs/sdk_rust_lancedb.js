// LanceDB carries the AWS SDK for Rust: its metadata client finds the region and the credentials
// with which LanceDB then lists a bucket at FAKE_AWS. Rust's own packages can't be had from npm or
// Debian; this is the same code, compiled into a package that can.

const lancedb = require("@lancedb/lancedb");
const printJson = require("./print_json");

async function main() {
    const database = await lancedb.connect("s3://fake-bucket/database", {
        storageOptions: { endpoint: process.env.FAKE_AWS, allow_http: "true" },
    });
    return { tables: await database.tableNames() };
}

printJson(main);
