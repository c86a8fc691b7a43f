import {CORE_PLUGINS} from "@html_editor/plugin_sets";
import {ChatGPTTranslatePlugin} from "@html_editor/main/chatgpt/chatgpt_translate_plugin";
import {ColorPlugin} from "@html_editor/main/font/color_plugin";
import {ColorUIPlugin} from "@html_editor/main/font/color_ui_plugin";
import {EmojiPlugin} from "@html_editor/main/emoji_plugin";
import {FeffPlugin} from "@html_editor/main/feff_plugin";
import {FontPlugin} from "@html_editor/main/font/font_plugin";
import {HintPlugin} from "@html_editor/main/hint_plugin";
import {InlineCodePlugin} from "@html_editor/main/inline_code";
import {LinkPastePlugin} from "@html_editor/main/link/link_paste_plugin";
import {LinkPlugin} from "@html_editor/main/link/link_plugin";
import {LinkPopover} from "@html_editor/main/link/link_popover";
import {LinkSelectionPlugin} from "@html_editor/main/link/link_selection_plugin";
import {ListPlugin} from "@html_editor/main/list/list_plugin";
import {OdooLinkSelectionPlugin} from "@html_editor/main/link/link_selection_odoo_plugin";
import {PlaceholderPlugin} from "@html_editor/main/placeholder_plugin";
import {ShortCutPlugin} from "@html_editor/core/shortcut_plugin";
import {TabulationPlugin} from "@html_editor/main/tabulation_plugin";
import {TextDirectionPlugin} from "@html_editor/main/text_direction_plugin";
import {ToolbarPlugin} from "@html_editor/main/toolbar/toolbar_plugin";

/**
 * Says nothing of a link but its address: Odoo's asks Google for the site's icon, by the
 * whole address, and the server for the page's title.
 */
class QuietLinkPopover extends LinkPopover {
    async loadAsyncLinkPreview() {
        this.resetPreview();
    }
}

export class QuietLinkPlugin extends LinkPlugin {
    resources = {
        ...this.resources,
        link_popovers: [
            {
                PopoverClass: QuietLinkPopover,
                isAvailable: (link) => !link || !this.isLinkImmutable(link),
                getProps: (props) => ({...props, showReplaceTitleBanner: false}),
            },
        ],
    };
}

/**
 * All that the editor of a secure message can do. A list of what is allowed, not of
 * what is taken out: nothing of it uploads, embeds, or asks another service, and what
 * other modules add to Odoo's editor stays away.
 */
export const SECURE_PLUGINS = [
    ...CORE_PLUGINS,
    ColorPlugin,
    ColorUIPlugin,
    EmojiPlugin,
    FeffPlugin,
    FontPlugin,
    HintPlugin,
    InlineCodePlugin,
    LinkPastePlugin,
    LinkSelectionPlugin,
    ListPlugin,
    OdooLinkSelectionPlugin,
    PlaceholderPlugin,
    QuietLinkPlugin,
    ShortCutPlugin,
    TabulationPlugin,
    TextDirectionPlugin,
    ToolbarPlugin,
];

/**
 * @param {Array} plugins of Odoo's composer
 * @returns {Array} the same, without those that hand the text to others
 */
export function withoutStrangers(plugins) {
    return plugins
        .filter((plugin) => plugin !== ChatGPTTranslatePlugin)
        .map((plugin) => (plugin === LinkPlugin ? QuietLinkPlugin : plugin));
}
