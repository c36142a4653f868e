SELECT fields FROM channel.document_index WHERE channel_no = %s AND namespace = %s AND collection = %s
