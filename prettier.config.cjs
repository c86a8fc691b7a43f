/** @type {import("prettier").Config} */
module.exports = {
    plugins: [require.resolve("@prettier/plugin-xml")],
    printWidth: 88,
    bracketSpacing: false,
    trailingComma: "es5",
    // Whitespace in a template can end up on the page.
    xmlWhitespaceSensitivity: "preserve",
};
