from werkzeug.exceptions import NotFound
from werkzeug.wsgi import wrap_file

from odoo.http import Controller, Response, content_disposition, request, route


class SecureLogController(Controller):
    @route(
        "/secure_messaging/log/<int:export_id>.csv",
        type="http",
        auth="user",
        methods=["GET"],
    )
    def export(self, export_id):
        """The file of an export that the current user has just asked for."""
        export = request.env["secure.log.export"].search([("id", "=", export_id)])
        if not export:
            raise NotFound()
        return Response(
            wrap_file(request.httprequest.environ, export._write_file()),
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": content_disposition("secure-messaging-log.csv"),
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
            direct_passthrough=True,
        )
