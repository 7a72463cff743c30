SELECT workorder.total('ticket_large', '{open,review}');
