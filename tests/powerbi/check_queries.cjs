// Parses each Power Query text of a folder with Microsoft's parser and says where one is wrong.
//
// usage: node check_queries.cjs FOLDER
"use strict";
const fs = require("fs");
const path = require("path");
const { DefaultSettings, ResultUtils, TaskUtils } = require("@microsoft/powerquery-parser");

async function main() {
    const folder = process.argv[2];
    const files = fs.readdirSync(folder).filter((file) => file.endsWith(".m")).sort();
    let failures = 0;
    for (const file of files) {
        const text = fs.readFileSync(path.join(folder, file), "utf8");
        const task = await TaskUtils.tryLexParse(DefaultSettings, text);
        if (!TaskUtils.isParseStageOk(task)) {
            failures += 1;
            console.error(`query ${file}: ${task.error ? task.error.message : task.resultKind}`);
        }
    }
    console.log(`queries: ${files.length - failures} of ${files.length} parse`);
    process.exitCode = failures || files.length === 0 ? 1 : 0;
}

main();
