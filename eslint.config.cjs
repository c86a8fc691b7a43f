const js = require("@eslint/js");
const globals = require("globals");
const jsdoc = require("eslint-plugin-jsdoc");

module.exports = [
    js.configs.recommended,
    {
        plugins: {jsdoc},
        languageOptions: {
            ecmaVersion: 2024,
            sourceType: "script",
            globals: {
                ...globals.browser,
                luxon: "readonly",
                odoo: "readonly",
                owl: "readonly",
            },
        },
        rules: {
            // Dangerous
            "no-alert": "error",
            "no-eval": "error",
            "no-extend-native": "error",
            "no-implied-eval": "error",
            "no-new-func": "error",
            "no-script-url": "error",
            // Likely mistakes
            "array-callback-return": "error",
            "no-duplicate-imports": "error",
            "no-empty-function": "error",
            "no-implicit-globals": "error",
            "no-param-reassign": "error",
            "no-return-assign": "error",
            "no-self-compare": "error",
            "no-sequences": "error",
            "no-shadow": "error",
            "no-throw-literal": "error",
            "no-unmodified-loop-condition": "error",
            "no-unused-expressions": "error",
            "no-use-before-define": "error",
            eqeqeq: "error",
            radix: "error",
            strict: ["error", "function"],
            // Plain code
            "dot-notation": "error",
            "init-declarations": "error",
            "no-else-return": "error",
            "no-lonely-if": "error",
            "no-unneeded-ternary": "error",
            "no-useless-concat": "error",
            "no-var": "error",
            "operator-assignment": "error",
            "prefer-const": "error",
            "spaced-comment": "error",
            complexity: ["error", 15],
            yoda: "error",
            // Documentation
            "jsdoc/check-alignment": "error",
            "jsdoc/check-param-names": "error",
            "jsdoc/check-tag-names": "error",
            "jsdoc/check-types": "error",
            "jsdoc/require-param-name": "error",
            "jsdoc/require-param-type": "error",
        },
        settings: {
            jsdoc: {
                preferredTypes: {
                    array: "Array",
                    bool: "Boolean",
                    boolean: "Boolean",
                    number: "Number",
                    object: "Object",
                    string: "String",
                },
            },
        },
    },
    {
        // What Odoo loads as modules, and the one extension that always says so
        files: ["**/static/{src,tests}/**/*.js", "**/*.{esm.js,mjs}"],
        languageOptions: {sourceType: "module"},
    },
    {
        files: ["**/*.cjs"],
        languageOptions: {sourceType: "commonjs", globals: globals.node},
        rules: {strict: "off"},
    },
];
