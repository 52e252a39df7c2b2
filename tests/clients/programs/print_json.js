// Print what an asynchronous function returns, as JSON, and end the process: a client may keep
// idle connections or threads that would have it live on.

module.exports = async function printJson(main) {
    try {
        console.log(JSON.stringify(await main()));
        process.exit(0);
    } catch (error) {
        console.error(error);
        process.exit(1);
    }
};
